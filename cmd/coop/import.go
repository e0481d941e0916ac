package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"coop/crdt/listing"
	"coop/crdt/record"
	"coop/ui/api"
)

// importFlags say how a file of listings is taken.
type importFlags struct {
	unit, decimals, list string
	columns              []string
	closeGone, look, yes bool
}

func (f importFlags) query(look bool) string {
	q := url.Values{"unit": {f.unit}, "decimals": {f.decimals}, "list": {f.list}, "map": f.columns}
	if f.closeGone {
		q.Set("close_gone", "1")
	}
	if look {
		q.Set("look", "1")
	}
	return "/v1/listings/import?" + q.Encode()
}

func listingImportCmd(t *terminal) *cobra.Command {
	var f importFlags
	var from string
	c := &cobra.Command{
		Use: "import FILE.csv|-", Short: "Make listings of a price list, or bring yours from an old co-op", Args: args(cobra.MaximumNArgs(1)),
		Long: `Makes listings of the rows of a CSV file: all of them, or, where a row cannot be
read, none, and says which rows and columns to mend. - reads standard input.

One of the first rows names the columns, as shops and suppliers do in several
languages: a title, a price, and maybe code, unit, per (how many of the unit the
price is for), variant, category, supplier, case_kg, origin, note, quantity, kind,
text, tags, place, expires, status, list, currency. Others are named with --map, as in
--map price=VK2. A price that names no unit of money is in
--unit.

How the file marks decimals is found out once, for all of it, and said. Where its
amounts do not tell, say --decimals comma or --decimals point.

A row that is here already, in a list of the same name (--list, or the supplier)
and by its code or else its title and unit, changes that listing. What is here and in
the list no more stays, unless --close-gone closes it. Before anything that is here is
changed you are asked; --yes does it at once, --dry-run only says what would be done.

With --from OLD-HOME it makes your open listings of the old co-op anew. Those that you
have here already, word for word, are left out: it may be said again.`,
		Example: "coop listing import mill.csv --unit euro --dry-run",
		RunE: func(c *cobra.Command, a []string) error {
			if from != "" && len(a) == 0 {
				return t.importFrom(c.Context(), from)
			}
			if from != "" || len(a) == 0 {
				return hintedError{usage("name a file, or an old home with --from"), "usage: coop listing import FILE.csv | --from OLD-HOME"}
			}
			file, err := t.file(a[0])
			if err != nil {
				return err
			}
			return t.importFile(c.Context(), f, file, a[0] == "-")
		},
	}
	fromFlag(c, &from, "bring your listings")
	fs := c.Flags()
	fs.StringVar(&f.unit, "unit", "", "what prices without a unit are in, such as euro")
	fs.StringVar(&f.decimals, "decimals", "", "comma or point: what marks decimals in the file (default: as it shows itself)")
	fs.StringVar(&f.list, "list", "", "name of the list (default: the supplier that a row names, or \"price list\")")
	fs.StringArrayVar(&f.columns, "map", nil, "FIELD=COLUMN: what a column of another name is")
	fs.BoolVar(&f.closeGone, "close-gone", false, "close your listings of this list that are in it no more")
	fs.BoolVar(&f.look, "dry-run", false, "say what would be done, and do nothing")
	fs.BoolVarP(&f.yes, "yes", "y", false, "change and close without asking")
	return c
}

// file reads a file, or standard input for "-"; of one that is larger than a price list
// can be, enough that it is refused.
func (t *terminal) file(name string) ([]byte, error) {
	in := t.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage("%v", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, listing.MaxFileLen+1))
	if err != nil {
		return nil, usage("%v", err)
	}
	return b, nil
}

// importFile shows what a file would change, and does it.
func (t *terminal) importFile(ctx context.Context, f importFlags, file []byte, fromInput bool) error {
	var would, out api.Imported
	if err := t.post(ctx, f.query(true), bytes.NewReader(file), &would); err != nil {
		return err
	}
	if f.look {
		return t.answer(would, func() {
			t.importPreview(would, f.closeGone)
			t.note("nothing was done: this was --dry-run")
		})
	}
	if !f.yes && (len(would.Changed) > 0 || f.closeGone && len(would.Gone) > 0) {
		if !t.json {
			t.importPreview(would, f.closeGone)
		}
		if err := t.agree("import it?", fromInput); err != nil {
			return err
		}
	}
	if err := t.post(ctx, f.query(false), bytes.NewReader(file), &out); err != nil {
		return err
	}
	return t.answer(out, func() {
		t.importedIDs(out.IDs)
		if len(out.New) == len(out.IDs) && out.Same+len(out.Gone) == 0 {
			t.note("✓ %s imported", count(len(out.New), "listing"))
		} else {
			t.note("✓ %s", importSummary(out, f.closeGone))
		}
		t.importNotes(out)
		if len(out.Gone) > 0 && !f.closeGone {
			t.note("  next: what is in the list no more stays open; to close it, say it again with --close-gone")
		}
	})
}

// errNotAgreed says that a person did not want what was asked.
var errNotAgreed = errors.New("nothing was done")

// agree asks a person at a terminal; elsewhere --yes must have said it.
func (t *terminal) agree(question string, inputIsTaken bool) error {
	in, ok := t.in.(*os.File)
	if inputIsTaken || t.json || t.quiet || !ok || !isatty.IsTerminal(in.Fd()) {
		return hintedError{usage("nothing was done: listings that are here would be changed"), "if that is right, say it again with --yes"}
	}
	fmt.Fprintf(t.err, "%s [y/N] ", question)
	line, _ := bufio.NewReader(in).ReadString('\n')
	if !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(line))) {
		return errNotAgreed
	}
	return nil
}

func importSummary(out api.Imported, closeGone bool) string {
	gone := "gone"
	if closeGone {
		gone = "closed"
	}
	if len(out.IDs) > 0 && len(out.New)+len(out.Changed)+len(out.Gone) == 0 {
		return count(len(out.IDs), "listing") + " imported or changed before, when this --once was said first"
	}
	return fmt.Sprintf("%d new, %d changed, %d %s, %d as they were", len(out.New), len(out.Changed), len(out.Gone), gone, out.Same)
}

// titlesMost is how many titles of a kind a preview names.
const titlesMost = 5

// importPreview says what an import would do.
func (t *terminal) importPreview(out api.Imported, closeGone bool) {
	t.note("%s", importSummary(out, closeGone))
	for _, list := range []struct {
		what   string
		titles []string
	}{{"new", out.New}, {"changed", out.Changed}, {"gone", out.Gone}} {
		if n := len(list.titles); n > 0 {
			more := ""
			if n > titlesMost {
				more = fmt.Sprintf(" and %d more", n-titlesMost)
			}
			t.note("  %-8s %s%s", list.what, strings.Join(list.titles[:min(n, titlesMost)], ", "), more)
		}
	}
	for _, row := range out.First {
		t.note("  read as  %s", row)
	}
	t.importNotes(out)
}

// importNotes says how the file was read, where that is not a matter of course.
func (t *terminal) importNotes(out api.Imported) {
	if out.Shown != "" {
		t.note("  the file marks decimals with a %s: %s", out.Decimals, out.Shown)
	}
	if out.Encoding != "UTF-8" {
		t.note("  the file was read as %s: look whether its accents are right", out.Encoding)
	}
	for _, row := range out.Twice[:min(len(out.Twice), titlesMost)] {
		t.note("  %s", row)
	}
	if n := len(out.Twice) - titlesMost; n > 0 {
		t.note("  and %d more such rows", n)
	}
	if len(out.Unused) > 0 {
		t.note("  not used: %s", strings.Join(out.Unused, ", "))
	}
	if len(out.Foreign) > 0 {
		t.note("  ! the co-op does not count in %s: nobody can pay these prices here as they are", strings.Join(out.Foreign, ", "))
	}
}

// importedIDs prints the ids of what was made, changed and closed, for programs.
func (t *terminal) importedIDs(ids []record.ID) {
	if t.quiet || !t.tty {
		for _, id := range ids {
			fmt.Fprintln(t.out, id)
		}
	}
}

// imported answers what brought listings from an old co-op.
func (t *terminal) imported(out api.Made) error {
	return t.answer(out, func() {
		t.importedIDs(out.IDs)
		t.note("✓ %s imported", count(len(out.IDs), "listing"))
	})
}
