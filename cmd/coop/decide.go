package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"coop/node"
	"coop/ui/api"
)

func proposalCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{Use: "proposal", Short: "What is to be decided, and was", GroupID: "decide", Aliases: []string{"proposals"}}
	c.AddCommand(proposalOpenCmd(t), proposalListCmd(t), proposalShowCmd(t), proposalDraftCmd(t), proposalEditCmd(t), proposalCloseCmd(t))
	return c
}

func proposalOpenCmd(t *terminal) *cobra.Command {
	var in api.ProposalIn
	c := &cobra.Command{
		Use: "open --title T [--text T] [--effect E]… | open --draft ID", Short: "Open a proposal for votes", Args: args(cobra.NoArgs),
		Long: `Opens a proposal. All members of this moment can vote on it. What it changes, its
effects, happens by itself where it passes. Without an effect it is a poll.

More than half of all members must say yes to decide about people, offices and
money, two thirds about bylaws and tellers. A poll passes with more yes than no
if enough took part.

Effects:
` + node.Effects,
		Example: `coop proposal open --title "Bo keeps the books" --effect office:Bo,treasurer`,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if in.Title == "" && in.Draft == "" {
				return usage("a proposal needs a --title")
			}
			if in.Text, err = t.textFrom(in.Text); err != nil {
				return err
			}
			return t.make(c.Context(), "/v1/proposals", in, "opened", "vote on it: coop vote ID yes|no|abstain")
		},
	}
	fs := c.Flags()
	fs.StringVar(&in.Title, "title", "", "one line")
	fs.StringVar(&in.Text, "text", "", "what is proposed and why, Markdown; - reads standard input")
	fs.StringVar(&in.Draft, "draft", "", "id of a draft to open as it stands")
	fs.StringArrayVar(&in.Effects, "effect", nil, "what it changes; may be given many times")
	fs.StringVar(&in.Rule, "rule", "", "ordinary, governance or constitutional (default: the least its effects need)")
	fs.IntVar(&in.Days, "days", 0, "a poll stays open so long (default: as the bylaws say)")
	return c
}

func proposalDraftCmd(t *terminal) *cobra.Command {
	var in api.TextIn
	c := &cobra.Command{Use: "draft --title T [--text T]", Short: "Begin a text that all members may write along", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) (err error) {
		if in.Title == "" {
			return usage("a draft needs a --title")
		}
		if in.Text, err = t.textFrom(in.Text); err != nil {
			return err
		}
		return t.make(c.Context(), "/v1/drafts", in, "drafted", "coop proposal edit ID --text …", "coop proposal open --draft ID")
	}}
	c.Flags().StringVar(&in.Title, "title", "", "one line")
	c.Flags().StringVar(&in.Text, "text", "", "Markdown; - reads standard input")
	return c
}

func proposalEditCmd(t *terminal) *cobra.Command {
	var text string
	c := &cobra.Command{Use: "edit ID --text T", Short: "Change the text of a draft", Args: args(cobra.ExactArgs(1)), RunE: func(c *cobra.Command, a []string) (err error) {
		if !c.Flags().Changed("text") {
			return usage("say the new --text; - reads standard input")
		}
		if text, err = t.textFrom(text); err != nil {
			return err
		}
		return t.make(c.Context(), "/v1/drafts/"+url.PathEscape(a[0]), api.TextIn{Text: text}, "changed")
	}}
	c.Flags().StringVar(&text, "text", "", "the whole new text; - reads standard input")
	return c
}

func proposalCloseCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "close ID", Short: "Withdraw a proposal of yours, or as a teller close a poll that is over", Args: args(cobra.ExactArgs(1)), RunE: func(c *cobra.Command, a []string) error {
		return t.make(c.Context(), "/v1/proposals/"+url.PathEscape(a[0])+"/close", struct{}{}, "closed")
	}}
}

func proposalListCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "Show proposals and drafts", Aliases: []string{"ls"}, Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		var out api.Proposals
		if err := t.get(c.Context(), "/v1/proposals", &out); err != nil {
			return err
		}
		return t.answer(out, func() {
			var rows [][]string
			for _, p := range out.Proposals {
				rows = append(rows, []string{t.id(p.ID.String()), p.Status, line(p.Title), p.Rule, tally(p), line(p.Author), waits(p)})
			}
			for _, d := range out.Drafts {
				rows = append(rows, []string{t.id(d.ID.String()), "draft", line(d.Title), "", "", line(d.Owner), ""})
			}
			t.table([]string{"ID", "STATUS", "TITLE", "RULE", "VOTES", "BY", ""}, rows)
		})
	}}
}

// inMinutes says whether something is final, or what it waits for.
func inMinutes(minuted bool, waits string) string {
	if minuted {
		return "in the minutes"
	}
	return waits
}

// timeOver is what to know of an open proposal whose time is over.
const timeOver = "time is over; the tellers have to close it"

// waits says what a proposal waits for.
func waits(p api.Proposal) string {
	if p.Over {
		return timeOver
	}
	return p.Waits
}

// tally says how a proposal stands.
func tally(p api.Proposal) string {
	s := fmt.Sprintf("%d yes, %d no, %d abstain of %d", p.Yes, p.No, p.Abstain, p.Electorate)
	if p.Needed > 0 {
		s += fmt.Sprintf(" (%d yes needed)", p.Needed)
	}
	if p.Status == "open" && p.Needed > 0 && p.Members != p.Electorate {
		share := "more than half"
		if p.Rule == "constitutional" {
			share = "two thirds"
		}
		s += fmt.Sprintf(", and %s of the %d members of today, of whom %d said yes", share, p.Members, p.YesOfThem)
	}
	return s
}

func proposalShowCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show one proposal with its votes", Args: args(cobra.ExactArgs(1)), RunE: func(c *cobra.Command, a []string) error {
		var p struct {
			V int `json:"v"`
			api.Proposal
		}
		if err := t.get(c.Context(), "/v1/proposals/"+url.PathEscape(a[0]), &p); err != nil {
			return t.showDraft(c, a[0], err)
		}
		return t.answer(p, func() {
			t.proposal(p.Proposal)
			t.comments(p.Comments)
		})
	}}
}

// proposal prints a proposal with its votes.
func (t *terminal) proposal(p api.Proposal) {
	fmt.Fprintf(t.out, "%s\n", line(p.Title))
	status := p.Status
	if p.Over {
		status += ": " + timeOver
	}
	t.fields("status", status, "rule", p.Rule, "votes", tally(p), "by", p.Author, "opened", t.when(p.Opened),
		"closes", t.whenSet(p.ClosesAt), "minutes", inMinutes(p.Minuted, p.Waits), "id", p.ID.String())
	for _, e := range p.Effects {
		t.fields("effect", e.Text, "words", e.Words, "failed", e.Failed)
	}
	t.fields("careful", unseats(p))
	t.text(p.Text)
	if p.TextUnread != "" {
		fmt.Fprintf(t.out, "! Its text cannot be shown (%s): ask its author before you vote\n", p.TextUnread)
	}
	fmt.Fprintln(t.out, "\nVotes are named and stay visible to all members for ever.")
	for _, v := range p.Votes {
		counts := map[bool]string{true: " (late)"}[v.Late]
		if v.Replaced {
			counts = " (replaced)"
		}
		fmt.Fprintf(t.out, "  %-8s %s%s  %s\n", v.Option, line(v.Member), counts, line(v.Reason))
		if v.Waits != "" {
			fmt.Fprintf(t.out, "           %s\n", line(v.Waits))
		}
	}
	if len(p.Silent) > 0 {
		fmt.Fprintf(t.out, "  not yet  %s\n", line(strings.Join(p.Silent, ", ")))
	}
}

// unseats warns of a proposal that would undo a re-seating; "" for any other.
func unseats(p api.Proposal) string {
	if len(p.Unseats) == 0 {
		return ""
	}
	return fmt.Sprintf("it was opened before members signed others into the tellers' place, and would put out of their seats: %s", people(p.Unseats))
}

// showDraft shows what is no proposal yet.
func (t *terminal) showDraft(c *cobra.Command, id string, notProposal error) error {
	var d struct {
		V int `json:"v"`
		api.Draft
	}
	if t.get(c.Context(), "/v1/drafts/"+url.PathEscape(id), &d) != nil {
		return notProposal
	}
	return t.answer(d, func() {
		fmt.Fprintf(t.out, "draft: %s\n", line(d.Title))
		t.fields("by", d.Owner, "id", d.ID.String())
		t.text(d.Text)
	})
}

// afterVote says how a proposal stands that was just voted on.
func (t *terminal) afterVote(ctx context.Context, id string) error {
	if t.quiet || t.json {
		return nil
	}
	var p api.Proposal
	if err := t.get(ctx, "/v1/proposals/"+url.PathEscape(id), &p); err != nil {
		return err
	}
	var s api.Status
	if err := t.get(ctx, "/v1/status", &s); err != nil {
		return err
	}
	t.note("  %s: %s", p.Status, tally(p))
	if p.Over {
		t.note("! %s: your vote comes after the end, and counts only if it reaches them before they do", timeOver)
	}
	if text := unseats(p); text != "" {
		t.note("! %s", text)
	}
	for _, v := range p.Votes {
		if v.MemberID.String() == s.MemberID && v.Late {
			t.note("! it was decided before: your vote is shown as late and changes nothing")
		}
	}
	return nil
}

func voteCmd(t *terminal) *cobra.Command {
	var in api.VoteIn
	c := &cobra.Command{
		Use: "vote ID yes|no|abstain", Short: "Vote, or change your vote", GroupID: "decide", Args: args(cobra.ExactArgs(2)),
		Long: "Votes on a proposal. Your vote is signed by this device, named, and visible to all\nmembers for ever. While the proposal is open, a new vote replaces your earlier one.",
		RunE: func(c *cobra.Command, a []string) error {
			in.Option = a[1]
			if err := t.make(c.Context(), "/v1/proposals/"+url.PathEscape(a[0])+"/vote", in, "voted "+a[1]); err != nil {
				return err
			}
			return t.afterVote(c.Context(), a[0])
		},
	}
	c.Flags().StringVar(&in.Reason, "reason", "", "why, in a line or two")
	return c
}
