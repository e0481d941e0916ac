package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"coop/ui/api"
)

func memberCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{Use: "member", Short: "Who is in the co-op, and who waits to be", GroupID: "people", Aliases: []string{"members"}}
	c.AddCommand(memberListCmd(t), memberShowCmd(t), memberProposeCmd(t), memberWaitingCmd(t), memberAdmitCmd(t), memberRecoverCmd(t), memberLeaveCmd(t))
	return c
}

func memberListCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "Show everybody", Aliases: []string{"ls"}, Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		var out api.Members
		if err := t.get(c.Context(), "/v1/members", &out); err != nil {
			return err
		}
		return t.answer(out, func() {
			var rows [][]string
			for _, m := range out.Members {
				rows = append(rows, []string{t.id(m.ID.String()), line(m.Name), standing(m), offices(m), line(m.Sponsor)})
			}
			t.table([]string{"ID", "NAME", "STANDING", "OFFICES", "SPONSOR"}, rows)
		})
	}}
}

func offices(m api.Member) string {
	all := m.Offices
	if m.Teller {
		all = append(all, "teller")
	}
	return strings.Join(all, ", ")
}

// standing is what somebody is, and what to know of them: whom they could be taken for,
// and what they left behind.
func standing(m api.Member) string {
	text := m.Standing
	if len(m.Owes) > 0 {
		text += ", owing " + strings.Join(m.Owes, " and ")
	}
	for _, id := range m.Alike {
		text += ", not " + id.Short() + " of like name"
	}
	return text
}

func memberShowCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "show WHO", Short: "Show one person", Args: args(cobra.ExactArgs(1)), RunE: func(c *cobra.Command, a []string) error {
		var m struct {
			V int `json:"v"`
			api.Member
		}
		if err := t.get(c.Context(), "/v1/members/"+url.PathEscape(a[0]), &m); err != nil {
			return err
		}
		return t.answer(m, func() {
			fmt.Fprintln(t.out, line(m.Name))
			t.fields("standing", standing(m.Member), "since", t.whenSet(m.Since), "offices", offices(m.Member), "sponsor", m.Sponsor, "id", m.ID.String())
			for _, d := range m.Devices {
				t.fields("device", deviceText(d))
			}
		})
	}}
}

func deviceText(d api.Device) string {
	s := d.Name + ", " + d.State
	if d.Teller {
		s += ", keeps the minutes"
	}
	if d.Here {
		s += ", this computer"
	}
	return s
}

func memberProposeCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "propose NAME…", Short: "Propose that associates become members", Args: args(cobra.MinimumNArgs(1)), RunE: func(c *cobra.Command, a []string) error {
		return t.make(c.Context(), "/v1/members/propose", api.NamesIn{Names: a}, "proposed", "vote on it: coop vote ID yes|no|abstain")
	}}
}

func memberWaitingCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "waiting", Short: "Show who asks this node to be let in", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		var out api.Newcomers
		if err := t.get(c.Context(), "/v1/newcomers", &out); err != nil {
			return err
		}
		return t.answer(out, func() {
			var rows [][]string
			for _, n := range out.Newcomers {
				what := "wants to join"
				if n.Of != "" {
					what = "lost their keys; says they are " + n.Of
				}
				rows = append(rows, []string{n.ID, n.Words, line(n.Name), line(n.Device), line(what), t.when(n.Seen)})
			}
			t.table([]string{"CARD", "WORDS", "NAME", "DEVICE", "", "SINCE"}, rows)
			if len(rows) > 0 {
				t.note("  the words of each card stand on the screen that shows it: ask the person for them, by voice")
			}
			if out.Hidden > 0 {
				t.note("  and %s: whose words were told to you is found by them, --effect recover:NAME,ONE-TWO-THREE-FOUR", count(out.Hidden, "more card"))
			}
		})
	}}
}

func memberAdmitCmd(t *terminal) *cobra.Command {
	var in api.AdmitIn
	c := &cobra.Command{
		Use: "admit NAME|CARD", Short: "Admit somebody who waits, or carry their card to a sponsor", Args: args(cobra.ExactArgs(1)),
		Long: "Admits somebody who waits, or carries their card to a sponsor. A card is named as\n`coop member waiting` shows it, or by its four words with hyphens between. Who has the name of somebody\nelse, or nearly so, or was in the co-op before, is admitted with --yes: you know who it is.",
		RunE: func(c *cobra.Command, a []string) error {
			return t.make(c.Context(), "/v1/newcomers/"+url.PathEscape(a[0]), in, "admitted "+line(a[0]), "coop member propose "+line(a[0]))
		},
	}
	c.Flags().BoolVar(&in.Yes, "yes", false, "you know who it is, whatever the node says of the name")
	return c
}

func memberLeaveCmd(t *terminal) *cobra.Command {
	var name string
	c := &cobra.Command{Use: "leave --yes NAME-OF-THE-CO-OP", Short: "Leave the co-op", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		var s api.Status
		if err := t.get(c.Context(), "/v1/status", &s); err != nil {
			return err
		}
		if name == "" && s.Member != "" {
			return usage("who leaves can come back only by an invite and with their 24 words, as an associate with the same account. Yours is at %s. To leave, name the co-op with --yes", leftAt(s.Balances, "once you are gone"))
		}
		if err := t.make(c.Context(), "/v1/members/leave", api.NameIn{Name: name}, "you left"); err != nil {
			return err
		}
		t.note("  your account is at %s", leftAt(s.Balances, "now"))
		return nil
	}}
	c.Flags().StringVar(&name, "yes", "", "the name of the co-op, to show that you mean it")
	return c
}

// leftAt says what the account of somebody who leaves is at: it stays so.
func leftAt(balances []api.Balance, when string) string {
	isZero := func(amount string) bool { return strings.Trim(amount, "0.") == "" }
	var all []string
	below := ""
	for _, b := range balances {
		if isZero(b.Balance) && isZero(b.Reserved) {
			continue
		}
		text := b.Balance + " " + b.Unit
		if !isZero(b.Reserved) {
			text += " (less " + b.Reserved + " if what you paid is accepted)"
		}
		all = append(all, text)
		if strings.HasPrefix(b.Balance, "-") {
			below = ": what is below zero you owe the others"
		}
	}
	if all == nil {
		return "zero"
	}
	return strings.Join(all, ", ") + ", and nobody can settle it " + when + below
}

func inviteCmd(t *terminal) *cobra.Command {
	var uses int
	var expires string
	c := &cobra.Command{
		Use: "invite", Short: "Make a code with which somebody can join", GroupID: "start", Args: args(cobra.NoArgs),
		Long: `Makes one code. Whoever has it can ask to join; this node admits them by itself as
often as --uses says, while it runs. Give it on paper, by a message, as a file.`,
		RunE: func(c *cobra.Command, _ []string) error {
			in := api.InviteIn{Uses: uses}
			if err := readHours(expires, &in.Hours); err != nil {
				return err
			}
			return t.invite(c, in, "on the other computer: coop join - --as NAME, and then the code")
		},
	}
	c.Flags().IntVar(&uses, "uses", 1, "how many people can join with it")
	c.Flags().StringVar(&expires, "expires", "", "how long it can be used, such as 7d or 12h (default: as the bylaws say)")
	return c
}

func readHours(text string, hours *int) error {
	if text == "" {
		return nil
	}
	d, err := parseDuration(text)
	if err != nil || d < time.Hour {
		return usage("%q is not an hour or more: write 7d or 12h", text)
	}
	*hours = int(d / time.Hour)
	return nil
}

func (t *terminal) invite(c *cobra.Command, in api.InviteIn, next string) error {
	if !t.running() {
		t.note("! no node runs here: start `coop up` first, so that the code says where to find you")
	}
	return t.code(c, "/v1/invites", in, next+", while your `coop up` runs here")
}

// code asks the node for a code and prints it.
func (t *terminal) code(c *cobra.Command, path string, in any, next ...string) error {
	var out api.Invite
	if err := t.post(c.Context(), path, in, &out); err != nil {
		return err
	}
	return t.answer(out, func() {
		fmt.Fprintln(t.out, out.Code)
		t.note("  until %s, for %s; whoever has the code can use it", out.Expires.Local().Format("2 January 2006 15:04"), count(out.Uses, "use"))
		for _, n := range next {
			t.note("  %s", n)
		}
	})
}

func deviceCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{Use: "device", Short: "Your computers", GroupID: "people", Aliases: []string{"devices"}}
	invite := &cobra.Command{Use: "invite", Short: "Make a code with which your other computer joins as you", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		return t.invite(c, api.InviteIn{Uses: 1, Device: true}, "on your other computer: coop join - --as NAME-OF-THE-COMPUTER, and then the code")
	}}
	list := &cobra.Command{Use: "list", Short: "Show your computers", Aliases: []string{"ls"}, Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		var out api.Devices
		if err := t.get(c.Context(), "/v1/devices", &out); err != nil {
			return err
		}
		return t.answer(out, func() {
			var rows [][]string
			for _, d := range out.Devices {
				rows = append(rows, []string{line(d.Name), d.State, map[bool]string{true: "keeps the minutes"}[d.Teller], map[bool]string{true: "this computer"}[d.Here]})
			}
			t.table([]string{"NAME", "STATE", "", ""}, rows)
		})
	}}
	c.AddCommand(invite, list, deviceRevokeCmd(t), deviceSeatCmd(t), deviceTrustCmd(t))
	return c
}

func deviceTrustCmd(t *terminal) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "trust --yes", Short: "Sign again with a home that was copied or put back", Args: args(cobra.NoArgs),
		Long: "A home that was copied, moved or put back from a backup signs nothing until another\ncomputer of the co-op has said what it knows. This says that you are sure: no other copy\nof the home has signed more, and none will. If one does, the device is lost to both.",
		RunE: func(c *cobra.Command, _ []string) error {
			if !yes {
				return usage("if another copy of this home is used too, the device is lost to both: say --yes if none is")
			}
			var out api.Made
			if err := t.post(c.Context(), "/v1/devices/trust", struct{}{}, &out); err != nil {
				return err
			}
			return t.answer(map[string]any{"v": api.Version}, func() { t.note("✓ this computer signs") })
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "no other copy of this home is used")
	return c
}
