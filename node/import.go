package node

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"coop/crdt/amount"
	"coop/crdt/coop"
	"coop/crdt/document"
	"coop/crdt/listing"
	"coop/crdt/record"
)

// ImportAs says how a file of listings is taken.
type ImportAs struct {
	Unit      string            // of prices that name none
	Decimals  string            // "point", "comma", or "" as the file shows itself
	Columns   map[string]string // names of columns by what they are about, beside those that are known
	List      string            // the name of the list; "": as its rows say
	CloseGone bool              // close what this person has of the list, and is in it no more
	Look      bool              // say what would be done, and do nothing
}

// Imported is what an import did, or would do.
type Imported struct {
	Table                    listing.Table
	IDs                      []record.ID // of what was made, changed and closed
	New, Changed, Same, Gone []string    // titles
	Twice                    []string    // rows that name what another names, in words
	Units                    map[string]int
	Foreign                  []string // units of prices that the co-op does not count in
}

// Import makes listings of a file, with one fsync: all of them, or none. A row
// that names a listing of the same list, by its code or by title and unit, changes
// it instead. The error is Invalid where rows cannot be read.
func (n *Node) Import(ctx context.Context, file []byte, as ImportAs) (out Imported, err error) {
	build := func(a author) ([]statement, error) {
		all, i, err := n.plan(a, file, as)
		out = i
		return all, err
	}
	if as.Look {
		return out, n.do(ctx, func() error {
			a, err := n.author()
			if err == nil {
				_, err = build(a)
			}
			return err
		})
	}
	out.IDs, err = n.writeAll(ctx, build)
	return out, err
}

func (n *Node) plan(a author, file []byte, as ImportAs) (all []statement, out Imported, err error) {
	s := a.coop.State()
	o, err := as.options(s)
	if err != nil {
		return nil, out, err
	}
	out.Table = listing.ReadTable(bytes.NewReader(file), o)
	if len(out.Table.Bad) > 0 {
		return nil, out, unreadableRows(out.Table)
	}
	out.count(s)
	known := n.ownListings(s)
	out.Table.Rows, out.Twice = distinct(out.Table.Rows)
	for _, row := range out.Table.Rows {
		l, ok := known.take(row.Draft)
		if !ok {
			st, err := n.create(row.Draft)
			if err != nil {
				return nil, out, invalid("row %d: %v", row.Row, err)
			}
			all, out.New = append(all, st), append(out.New, row.Title)
			continue
		}
		v, _ := a.coop.Library().Value(l.ID)
		was, is := l.Draft(), row.Onto(l.Draft())
		if err := n.mayEnd(is, was); err != nil {
			return nil, out, invalid("row %d: %v", row.Row, err)
		}
		ops, err := listing.Edit(v, is)
		switch {
		case err != nil:
			return nil, out, invalid("row %d: %v", row.Row, err)
		case len(ops) == 0:
			out.Same = append(out.Same, row.Title)
		default:
			all, out.Changed = append(all, act(document.KindEdit, document.Edit{Doc: l.ID, Ops: ops})), append(out.Changed, row.Title)
		}
	}
	for _, l := range known.gone(out.Table.Rows) {
		out.Gone = append(out.Gone, l.Title)
		if !as.CloseGone {
			continue
		}
		v, _ := a.coop.Library().Value(l.ID)
		ops, err := listing.Close(v)
		if err != nil {
			return nil, out, err
		}
		all = append(all, act(document.KindEdit, document.Edit{Doc: l.ID, Ops: ops}))
	}
	return all, out, nil
}

// distinct leaves out the rows that say word for word what one above says, and tells of
// those that name the same with other words: shops list what comes in two qualities
// so, and people who copy a row and forget the old one.
func distinct(rows []listing.Row) (out []listing.Row, twice []string) {
	said, named := map[string]int{}, map[string]int{} // the first row with such words, and with such a name
	for _, row := range rows {
		keys := listing.Keys(row.Draft)
		words, name := fmt.Sprintf("%#v", row.Draft), fmt.Sprintf("%q %q", row.Code, keys[len(keys)-1])
		if above, is := said[words]; is {
			twice = append(twice, fmt.Sprintf("row %d says the same as row %d: taken once", row.Row, above))
			continue
		}
		if above, is := named[name]; is {
			twice = append(twice, fmt.Sprintf("! rows %d and %d are both %s: each is a listing of its own", above, row.Row, row.Title))
		} else {
			named[name] = row.Row
		}
		said[words], out = row.Row, append(out, row)
	}
	return out, twice
}

// options are how the file is read in a co-op with its units.
func (as ImportAs) options(s *coop.State) (o listing.TableOptions, err error) {
	units := codes(s)
	o = listing.TableOptions{Reader: listing.Reader{Unit: as.Unit, Units: units}, Columns: as.Columns, List: as.List}
	if u := amount.Among(as.Unit, units); as.Unit != "" && u != "" && u != as.Unit {
		return o, invalid("%s counts in %s, not in %s: say --unit %s", s.People.Name, unitCodes(s), as.Unit, u)
	}
	switch as.Decimals {
	case "":
	case amount.Point.String():
		o.Marks = amount.Point
	case amount.Comma.String():
		o.Marks = amount.Comma
	default:
		return o, invalid("decimals are marked by a point or by a comma, not by %q", as.Decimals)
	}
	return o, nil
}

func unreadableRows(t listing.Table) error {
	var text strings.Builder
	for _, b := range t.Bad {
		fmt.Fprintln(&text, b.Error())
	}
	return invalid("%snothing was imported", text.String())
}

// count counts in which units the prices are.
func (out *Imported) count(s *coop.State) {
	out.Units = map[string]int{}
	for _, row := range out.Table.Rows {
		if p, err := listing.ParsePrice(row.Price, ""); err == nil && p.Unit != "" {
			out.Units[p.Unit]++
		}
	}
	for u := range out.Units {
		if !slices.Contains(codes(s), u) {
			out.Foreign = append(out.Foreign, u)
		}
	}
	slices.Sort(out.Foreign)
}

// ownListings are the listings that this computer can change, by what rows of a
// file name them by.
type ownListings struct {
	byKey map[string][]listing.Listing
	taken map[record.ID]bool
}

func (n *Node) ownListings(s *coop.State) *ownListings {
	own := &ownListings{map[string][]listing.Listing{}, map[record.ID]bool{}}
	for _, l := range s.Listings.All() {
		if l.Owner != n.owner() {
			continue
		}
		for _, key := range listing.Keys(l.Draft()) {
			own.byKey[key] = append(own.byKey[key], l)
		}
	}
	return own
}

// take returns the listing that a row names, each once: an open one before a
// closed one.
func (own *ownListings) take(d listing.Draft) (best listing.Listing, ok bool) {
	for _, key := range listing.Keys(d) {
		for _, l := range own.byKey[key] {
			if own.taken[l.ID] || d.Code != "" && l.Code != "" && l.Code != d.Code {
				continue
			}
			if !ok || best.Status == listing.Closed && l.Status == listing.Open {
				best, ok = l, true
			}
		}
		if ok {
			own.taken[best.ID] = true
			return best, true
		}
	}
	return best, false
}

// gone are the open listings of the lists of a file that no row of it named.
func (own *ownListings) gone(rows []listing.Row) (gone []listing.Listing) {
	lists := map[string]bool{}
	for _, row := range rows {
		lists[row.List] = row.List != ""
	}
	seen := map[record.ID]bool{}
	for _, ls := range own.byKey {
		for _, l := range ls {
			if l.Status == listing.Open && lists[l.List] && !own.taken[l.ID] && !seen[l.ID] {
				gone = append(gone, l)
				seen[l.ID] = true
			}
		}
	}
	slices.SortFunc(gone, func(a, b listing.Listing) int { return strings.Compare(a.Title, b.Title) })
	return gone
}
