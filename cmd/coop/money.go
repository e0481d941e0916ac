package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"coop/ui/api"
)

// paymentFlags are common to pay and request.
func paymentFlags(c *cobra.Command, in *api.PaymentIn) {
	c.Flags().StringVar(&in.Unit, "unit", "", "unit of the amount (default: the co-op's first)")
	c.Flags().StringVar(&in.For, "for", "", "id of the listing or proposal it is for")
	c.Flags().StringVar(&in.Note, "note", "", "a line to whom it goes to")
}

func payCmd(t *terminal) *cobra.Command {
	var in api.PaymentIn
	c := &cobra.Command{
		Use: "pay WHO AMOUNT [--unit UNIT]", Short: "Pay somebody, or the treasury", GroupID: "trade", Args: args(cobra.ExactArgs(2)),
		Example: `coop pay Bo 1.5 --unit hour --note "wheel fixed"`,
		RunE: func(c *cobra.Command, a []string) error {
			in.Who, in.Amount = a[0], a[1]
			var m api.Made
			if err := t.post(c.Context(), "/v1/payments", in, &m); err != nil {
				return err
			}
			did := fmt.Sprintf("paid %s %s %s", line(a[0]), m.Amount, m.Unit)
			if m.Status != "pending" { // the treasury, or a standing rule, took it
				return t.made(m, did)
			}
			return t.made(m, did, "it is theirs once they accept it; to take it back until then: coop cancel ID")
		},
	}
	paymentFlags(c, &in)
	return c
}

func requestCmd(t *terminal) *cobra.Command {
	var in api.PaymentIn
	c := &cobra.Command{
		Use: "request WHO AMOUNT [--unit UNIT]", Short: "Ask somebody for a payment", GroupID: "trade", Args: args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, a []string) error {
			in.Who, in.Amount = a[0], a[1]
			return t.makeSaying(c.Context(), "/v1/requests", in, func(m api.Made) string {
				return fmt.Sprintf("asked %s for %s %s", line(a[0]), m.Amount, m.Unit)
			})
		},
	}
	paymentFlags(c, &in)
	return c
}

func acceptCmd(t *terminal) *cobra.Command {
	var standing api.StandingIn
	var always, never, rules bool
	var note string
	c := &cobra.Command{
		Use: "accept ID | accept --always MAX [--unit U] [--from NAME]… | accept --by-hand [--unit U] | accept --rules", Short: "Accept a payment, pay a request, or accept payments by themselves",
		GroupID: "trade", Args: args(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			switch {
			case rules && len(a) == 0:
				return t.showRules(c.Context())
			case always && len(a) == 1:
				standing.Max = a[0]
				return t.make(c.Context(), "/v1/standing", standing, "payments up to "+a[0]+" are accepted by themselves")
			case never && len(a) == 0:
				did := "every payment waits for you"
				if standing.Unit != "" {
					did = "every payment in " + standing.Unit + " waits for you"
				}
				return t.make(c.Context(), "/v1/standing", api.StandingIn{Unit: standing.Unit}, did)
			case !always && !never && !rules && len(a) == 1:
				return t.makeSaying(c.Context(), paymentPath(a[0], "accept"), api.AnswerIn{Note: note}, accepted)
			}
			return usage("usage: %s", usageLine(c))
		},
	}
	c.Flags().BoolVar(&always, "always", false, "accept payments up to this amount by themselves")
	c.Flags().BoolVar(&never, "by-hand", false, "end --always, in one unit or in all")
	c.Flags().BoolVar(&rules, "rules", false, "show what is accepted by itself")
	atMostOne(c, "always", "by-hand", "rules")
	c.Flags().StringVar(&standing.Unit, "unit", "", "unit of the amount (default: the co-op's first)")
	c.Flags().StringArrayVar(&standing.From, "from", nil, "only from this person")
	c.Flags().StringVar(&note, "note", "", "a line to whom it came from")
	return c
}

// showRules shows what is accepted by itself.
func (t *terminal) showRules(ctx context.Context) error {
	var out api.Standing
	if err := t.get(ctx, "/v1/standing", &out); err != nil {
		return err
	}
	return t.answer(out, func() {
		var rows [][]string
		for _, r := range out.Rules {
			from := "anyone"
			if len(r.From) > 0 {
				from = line(strings.Join(r.From, ", "))
			}
			rows = append(rows, []string{r.Max, r.Unit, from})
		}
		t.table([]string{"UP TO", "UNIT", "FROM"}, rows)
		if len(rows) == 0 {
			t.note("every payment waits for you")
		}
	})
}

// accepted says whether a payment was taken or a request paid.
func accepted(m api.Made) string {
	did := fmt.Sprintf("accepted %s %s from %s", m.Amount, m.Unit, line(m.From))
	if m.Asked {
		did = fmt.Sprintf("paid %s %s to %s, who asked for it", m.Amount, m.Unit, line(m.To))
	}
	return did + noted(m.Note)
}

// noted is what somebody wrote beside a payment, behind what is said of it.
func noted(note string) string {
	if note == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", line(note))
}

func paymentPath(id, verb string) string { return "/v1/payments/" + url.PathEscape(id) + "/" + verb }

func answerCmd(t *terminal, verb, short, done string) *cobra.Command {
	var in api.AnswerIn
	c := &cobra.Command{Use: verb + " ID", Short: short, GroupID: "trade", Args: args(cobra.ExactArgs(1)), RunE: func(c *cobra.Command, a []string) error {
		return t.make(c.Context(), paymentPath(a[0], verb), in, done)
	}}
	c.Flags().StringVar(&in.Note, "note", "", "why")
	return c
}

func declineCmd(t *terminal) *cobra.Command {
	return answerCmd(t, "decline", "Decline a payment or a request", "declined")
}

func cancelCmd(t *terminal) *cobra.Command {
	return answerCmd(t, "cancel", "Take back a payment or request nobody has answered", "cancelled")
}

func ledgerCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{Use: "ledger", Short: "Balances and payments", GroupID: "trade", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		return t.showLedger(c, "")
	}}
	c.AddCommand(&cobra.Command{Use: "show [WHO]", Short: "Show one account", Args: args(cobra.MaximumNArgs(1)), RunE: func(c *cobra.Command, a []string) error {
		who := ""
		if len(a) == 1 {
			who = a[0]
		}
		return t.showLedger(c, who)
	}}, reverseCmd(t), instalmentCmd(t))
	return c
}

func (t *terminal) showLedger(c *cobra.Command, who string) error {
	var out api.Ledger
	if err := t.get(c.Context(), "/v1/ledger?who="+url.QueryEscape(who), &out); err != nil {
		return err
	}
	return t.answer(out, func() { t.ledger(out) })
}

// ledger prints balances and payments; where only ids are wanted, those of the
// payments.
func (t *terminal) ledger(out api.Ledger) {
	var rows [][]string
	for _, b := range out.Balances {
		who := line(b.Who)
		if b.Awaited {
			who += " (awaited)"
		}
		rows = append(rows, []string{who, b.Balance, b.Unit, b.Reserved, b.Limit, b.Available})
	}
	if !t.quiet {
		t.table([]string{"ACCOUNT", "BALANCE", "UNIT", "RESERVED", "CREDIT LIMIT", "CAN PAY"}, rows)
	}
	if len(out.Budgets) > 0 && !t.quiet {
		fmt.Fprintln(t.out)
		t.budgets(out.Budgets)
	}
	if len(out.Payments) == 0 {
		return
	}
	if !t.quiet {
		fmt.Fprintln(t.out)
	}
	rows = nil
	for _, p := range out.Payments {
		rows = append(rows, t.paymentRow(p))
	}
	t.table([]string{"ID", "FROM", "TO", "AMOUNT", "STATUS", "WHEN", "NOTE", ""}, rows)
}

// budgets prints what the treasury may pay, and what it has paid of it.
func (t *terminal) budgets(all []api.Budget) {
	var rows [][]string
	for _, b := range all {
		part := ""
		if b.Parts > 0 {
			part = fmt.Sprintf("part %d of %d, %d days apart", b.Part, b.Parts, b.Days)
		}
		if b.Ended {
			part = "ended"
		}
		rows = append(rows, []string{t.id(b.Proposal.String()), fmt.Sprint(b.Line), line(b.To), b.Total + " " + b.Unit, b.Paid, b.Left, b.Next, part, line(b.For)})
	}
	t.table([]string{"BUDGET OF", "LINE", "TO", "TOTAL", "PAID", "LEFT", "NEXT", "PARTS", "FOR"}, rows)
}

func (t *terminal) paymentRow(p api.Payment) []string {
	status := p.Status
	switch {
	case p.Asked:
		status = "request " + status
	case p.Reverses != "":
		status += ", gives back " + t.id(p.Reverses)
	case p.Returned != "":
		status += ", " + p.Returned + " given back"
	}
	return []string{t.id(p.ID.String()), line(p.From), line(p.To), p.Amount + " " + p.Unit, status, t.when(p.Time), line(p.Note), p.Waits}
}

func reverseCmd(t *terminal) *cobra.Command {
	var in api.AnswerIn
	c := &cobra.Command{Use: "reverse ID", Short: "Give back a payment you received, or part of it", Args: args(cobra.ExactArgs(1)), RunE: func(c *cobra.Command, a []string) error {
		return t.makeSaying(c.Context(), paymentPath(a[0], "reverse"), in, func(m api.Made) string {
			return fmt.Sprintf("given back: %s %s", m.Amount, m.Unit)
		})
	}}
	c.Flags().StringVar(&in.Amount, "amount", "", "only so much of it")
	c.Flags().StringVar(&in.Note, "note", "", "why")
	return c
}

func instalmentCmd(t *terminal) *cobra.Command {
	var in api.AnswerIn
	c := &cobra.Command{Use: "instalment PROPOSAL", Short: "Pay the next part of a budget line, as treasurer", Args: args(cobra.ExactArgs(1)), RunE: func(c *cobra.Command, a []string) error {
		return t.make(c.Context(), "/v1/proposals/"+url.PathEscape(a[0])+"/instalment", in, "paid from the treasury")
	}}
	c.Flags().Uint32Var(&in.Line, "line", 0, "which budget line of the proposal, counted from 0")
	c.Flags().StringVar(&in.Amount, "amount", "", "so much (default: all that may be paid next)")
	c.Flags().BoolVar(&in.Overdraw, "overdraw", false, "although the treasury has less: the co-op owes it then")
	c.Flags().StringVar(&in.Note, "note", "", "what for")
	return c
}
