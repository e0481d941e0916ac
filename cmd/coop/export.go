package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"coop/ui/api"
)

func exportCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{Use: "export", Short: "Take things out of the co-op, in files", GroupID: "node"}
	c.AddCommand(&cobra.Command{
		Use: "document ID FILE", Short: "Write a listing or a text as a standard Automerge file", Args: args(cobra.ExactArgs(2)),
		Long: "Writes the document with its whole history in Automerge's own format, which other\nprograms open. ID is that of a listing, a draft or a proposal. FILE must not exist; - is\nstandard output.",
		RunE: func(c *cobra.Command, a []string) error {
			var d api.Document
			if err := t.get(c.Context(), "/v1/documents/"+url.PathEscape(a[0]), &d); err != nil {
				return err
			}
			return t.export(a[1], d.Automerge)
		},
	}, &cobra.Command{
		Use: "decision ID FILE", Short: "Write what anybody needs to check a decision", Args: args(cobra.ExactArgs(2)),
		Long: exportEvidence,
		RunE: func(c *cobra.Command, a []string) error {
			return t.exportEvidence(c, "?decision="+url.QueryEscape(a[0]), a[1])
		},
	}, &cobra.Command{
		Use: "ledger FILE", Short: "Write what anybody needs to check the balances", Args: args(cobra.ExactArgs(1)),
		Long: exportEvidence,
		RunE: func(c *cobra.Command, a []string) error { return t.exportEvidence(c, "", a[0]) },
	})
	return c
}

const exportEvidence = "Writes the signed records of the co-op into FILE. With it `coop verify FILE` comes to the\nsame result on any computer, without a node and without trusting whoever wrote it. The\nfile holds all that members see: give it to nobody who may not see that."

func (t *terminal) exportEvidence(c *cobra.Command, query, path string) error {
	var e api.Evidence
	if err := t.get(c.Context(), "/v1/evidence"+query, &e); err != nil {
		return err
	}
	return t.export(path, e.Evidence)
}

// export writes what was asked for to a new file, or to standard output.
func (t *terminal) export(path string, b []byte) error {
	if path == "-" {
		_, err := plain(t.out).Write(b)
		return err
	}
	if err := writeNew(path, b); err != nil {
		return err
	}
	return t.answer(map[string]any{"v": api.Version, "file": path}, func() { t.note("✓ written to %s", path) })
}

// writeNew writes a file that must not exist: what a person has is never
// replaced.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usage("%s exists: choose another name", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

func verifyCmd(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use: "verify FILE", Short: "Check an exported decision or ledger, without a node", GroupID: "node", Args: args(cobra.ExactArgs(1)),
		Long: "Checks every signature in FILE, and works out anew from the records what is final, who\ncould vote, how they voted and what everybody has. Compare the id of the co-op with one\nyou know: a file about another co-op is as sound. Records that were left out cannot be\nseen: what is final then ends earlier. Nor can be seen what the tellers minuted elsewhere,\nif more of them lied than the answer says may have.",
		RunE: func(_ *cobra.Command, a []string) error {
			file, err := os.ReadFile(a[0])
			if err != nil {
				return usage("%v", err)
			}
			out, err := api.Audit(file)
			if err != nil {
				return &api.Error{Code: api.CodeRefused, Message: "this file proves nothing: " + err.Error()}
			}
			return t.answer(out, func() { t.audited(out) })
		},
	}
}

// keptBy says whose word it is that there are no other minutes than these.
func keptBy(keepers []string, mayLie int) string {
	switch {
	case len(keepers) == 1:
		return keepers[0] + " alone, who could make another file as sound, with other balances: compare with what another member has"
	case mayLie == 0:
		return strings.Join(keepers, ", ") + ": this is so if none of them lied"
	}
	return fmt.Sprintf("%s: this is so if no more than %d of them lied", strings.Join(keepers, ", "), mayLie)
}

func (t *terminal) audited(a api.Audited) {
	fmt.Fprintf(t.out, "%s\n", line(a.Name))
	t.fields("co-op", a.Coop.String(),
		"records", fmt.Sprintf("%d, each signed by who it says; %d of them are in the minutes, so they are final", a.Records, a.Minuted),
		"latest", t.when(a.Latest)+", when those who keep the minutes last wrote: by the clock in the middle of theirs",
		"ends with", a.Leader.String()+" of "+a.LeaderBy+", the last record of a teller that is in the minutes. What was left out after it cannot be seen here",
		"minutes kept by", keptBy(a.Keepers, a.MayLie))
	if len(a.Forked) > 0 {
		t.fields("not to be believed", strings.Join(a.Forked, ", ")+": signed two different records under the same number")
	}
	for _, r := range a.Reseatings {
		fmt.Fprintf(t.out, "! %s\n", reseated(r))
	}
	fmt.Fprintln(t.out)
	if a.Proposal != nil {
		t.proposal(*a.Proposal)
	} else {
		t.ledger(*a.Ledger)
		fmt.Fprintln(t.out, "\nThe balances of each unit add up to zero.")
	}
	t.note("✓ the records in this file are signed as they say, and all of this was computed from them alone")
	t.note("  next: is it your co-op? Its id must be the co-op in: coop status. It may be an old file: what came after it is not in it")
}
