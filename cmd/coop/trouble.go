package main

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"coop/ui/api"
)

func troubleCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{
		Use: "trouble", Short: "What was cheated or went wrong, by whom, and what it means", GroupID: "node", Args: args(cobra.NoArgs),
		Long: "Lists what was cheated, or done by people who could not know of each other: computers\nthat signed two records under the same number, payments that another one left too little for,\nvotes that contradict each other, invites used too often, acts of who was put out, and\nwhat peers did to this node. `coop trouble show ID` shows the signed records.",
		RunE: func(c *cobra.Command, _ []string) error {
			var out api.Troubles
			if err := t.get(c.Context(), "/v1/trouble", &out); err != nil {
				return err
			}
			return t.answer(out, func() { t.troubles(out) })
		},
	}
	c.AddCommand(&cobra.Command{
		Use: "show ID", Short: "Show both signed records, what they say and what it means", Args: args(cobra.ExactArgs(1)),
		Long: "Shows one trouble with the signed records. With --json their headers, signatures and\nbodies are there too, in base64, so that anybody can check the signatures.",
		RunE: func(c *cobra.Command, a []string) error {
			var out struct {
				V int `json:"v"`
				api.Trouble
			}
			if err := t.get(c.Context(), "/v1/trouble/"+url.PathEscape(a[0]), &out); err != nil {
				return err
			}
			return t.answer(out, func() { t.trouble(out.Trouble) })
		},
	})
	return c
}

func (t *terminal) troubles(out api.Troubles) {
	var rows [][]string
	for _, r := range out.Troubles {
		what := line(r.What)
		if r.More > 0 {
			what += fmt.Sprintf(" (and %s like it)", count(r.More, "more record"))
		}
		rows = append(rows, []string{t.id(r.ID.String()), r.Kind, t.when(r.Time), line(r.Member), what})
	}
	if len(rows) > 0 {
		t.table([]string{"ID", "KIND", "WHEN", "WHO", "WHAT"}, rows)
	}
	if out.Total > len(rows) {
		t.note("  and %d older ones", out.Total-len(rows))
	}
	for _, p := range out.Peers {
		t.note("  at this computer, %s: %s", t.when(p.Time), line(p.Text))
	}
	switch {
	case len(rows) > 0:
		t.note("  next: coop trouble show %s", t.id(out.Troubles[0].ID.String()))
	case len(out.Peers) == 0:
		t.note("✓ no trouble")
	}
}

func (t *terminal) trouble(r api.Trouble) {
	fmt.Fprintln(t.out, line(r.What))
	t.fields("by", line(r.Member)+", on "+line(r.Device), "when", t.when(r.Time)+" by their clock", "means", r.Means, "what to do", r.Do)
	if r.More > 0 {
		t.fields("more", count(r.More, "further record")+" like it; the latest are below, the rest in: coop log")
	}
	for _, s := range r.Evidence {
		state := "not in the minutes yet"
		if s.Batch > 0 {
			state = fmt.Sprintf("in the minutes, so it is final (batch %d)", s.Batch)
		}
		effect := "the rules allow it"
		if s.Problem != "" {
			effect = "none: " + s.Problem
		}
		if !s.Held {
			state, effect = "not here: a computer that closed the door on this one showed that it was signed", "not known here"
		}
		fmt.Fprintf(t.out, "\n%s\n", s.ID)
		t.fields("says", s.Says, "signed by", fmt.Sprintf("%s's %s, as its record %d, at %s by its clock", s.Member, s.Device, s.Seq, t.when(s.Time)),
			"stands", state, "effect", effect, "key", s.Key.String(), "signature", base64.StdEncoding.EncodeToString(s.Signature))
	}
	for _, s := range r.Others {
		fmt.Fprintf(t.out, "\n%s\n", s.ID)
		t.fields("says", s.Says, "effect", cmp.Or(s.Problem, "the rules allow it"))
	}
}
