package main

import (
	"errors"
	"io/fs"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"coop/ui/api"
)

func exportCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{Use: "export", Short: "Take things out of the co-op, in files other programs read", GroupID: "node"}
	c.AddCommand(&cobra.Command{
		Use: "document ID FILE", Short: "Write a listing or a text as a standard Automerge file", Args: args(cobra.ExactArgs(2)),
		Long: "Writes the document with its whole history in Automerge's own format, which other\nprograms open. ID is that of a listing, a draft or a proposal. FILE must not exist; - is\nstandard output.",
		RunE: func(c *cobra.Command, a []string) error {
			var d api.Document
			if err := t.get(c.Context(), "/v1/documents/"+url.PathEscape(a[0]), &d); err != nil {
				return err
			}
			if a[1] == "-" {
				_, err := t.out.Write(d.Automerge)
				return err
			}
			if err := writeNew(a[1], d.Automerge); err != nil {
				return err
			}
			return t.answer(api.Made{V: api.Version, ID: d.ID}, func() { t.note("✓ written to " + a[1]) })
		},
	})
	return c
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
