package listing

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"coop/crdt/amount"
)

// Limits of a file that is imported: each row becomes a record for ever.
const (
	MaxFileLen  = 4 << 20 // bytes; 10,000 rows of a price list are about 700 KiB
	MaxFileRows = 10_000  // below the header

	maxColumns   = 200 // shops write a hundred and more
	headerWithin = 30  // rows: banks and shops write some lines above the header
)

// RowError is what is wrong with a cell, row or file, and what to do.
type RowError struct {
	Row    int    // as a spreadsheet counts: the first is 1. 0: the file as a whole
	Column string // as the header names it. Empty: the row as a whole
	Reason string
}

func (e RowError) Error() string {
	switch {
	case e.Row == 0:
		return e.Reason
	case e.Column == "":
		return fmt.Sprintf("row %d: %s", e.Row, e.Reason)
	}
	return fmt.Sprintf("row %d, column %s: %s", e.Row, e.Column, e.Reason)
}

// own are the columns that WriteCSV writes.
var own = []string{"title", "kind", "text", "category", "tags", "price", "quantity", "place", "expires", "status", "code", "list"}

// TableOptions say how a file is read.
type TableOptions struct {
	Reader                    // Marks Unknown: as the file shows itself
	Columns map[string]string // names of columns by what they are about, beside those that are known
	List    string            // the name of the list; "": as the rows say, by a column list or the supplier
}

// Table is a file of listings that was read.
type Table struct {
	Rows      []Row      // the good ones
	Bad       []RowError // an error for each cell that is not good, in the order of the rows
	Encoding  string     // in which it is written
	Separator string     // what separates its cells
	Marks     amount.Marks
	Shown     string   // where the file shows that, in words; "": nowhere
	Mixed     bool     // it marks decimals in two ways
	Headless  bool     // what is bad is what the columns are called
	Unused    []string // columns that are not known
}

// Row is a row of a table, fit for Create.
type Row struct {
	Draft
	Row    int      // as a spreadsheet counts
	Fields []string // that the file has columns for
}

// cells are the cells of a row by what they are about.
type cells map[string]string

// ReadTable reads a file of listings: what WriteCSV wrote, or the price list of a
// supplier or a shop. One of the first rows names the columns; they stand in any
// order, under the names that shops in several languages give them. A title must
// be there, and a price or a kind. Commas, semicolons, tabs or bars separate cells.
//
// How the file marks decimals is found out once, from all its amounts: one that
// can be read in two ways is read as the others are, and is an error where those
// do not tell.
//
// Shops sell one thing in several sizes or colours: the title of such a row has its
// variant too, and what the row leaves out is as in the row above. A row that says
// nothing in any known column is passed over.
func ReadTable(r io.Reader, o TableOptions) (t Table) {
	fail := func(err error) Table {
		t.Bad = []RowError{{Reason: err.Error()}}
		return t
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxFileLen+1))
	if err != nil {
		return fail(err)
	}
	if len(data) > MaxFileLen {
		return fail(fmt.Errorf("the file is larger than %d MiB: split it", MaxFileLen>>20))
	}
	if data, t.Encoding, err = decode(data); err != nil {
		return fail(err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return fail(errors.New("the file is empty: its first row must name the columns"))
	}
	s, cols, width, bad := begin(data, o.Columns)
	if bad != nil {
		t.Bad, t.Headless = bad, true
		return t
	}
	t.Unused, t.Separator = cols.unused, s.name()
	t.fill(s, cols, width, o)
	return t
}

// begin finds what separates the cells and which row is the header, and returns
// the sheet behind that row.
func begin(data []byte, names map[string]string) (best *sheet, cols columns, width int, bad []RowError) {
	known := -1
	take := func(comma rune, body []byte, skipped int) {
		s := newSheet(body, comma)
		s.row = skipped
		for range headerWithin {
			header, err := s.next()
			if err == io.EOF {
				return
			}
			header = trimEmpty(header)
			if err != nil || len(header) > maxColumns {
				continue
			}
			if c := find(header, s.row, names); c.header() && len(c.of) > known {
				at := *s
				best, cols, width, known = &at, c, len(header), len(c.of)
				return
			}
		}
	}
	if m := sepForm.FindSubmatch(data); m != nil {
		take([]rune(string(m[1]))[0], data[len(m[0]):], 1)
	} else {
		for _, sep := range separators {
			take(sep.comma, data, 0)
		}
	}
	if best == nil {
		return nil, cols, 0, noHeader(data, names)
	}
	return best, cols, width, cols.bad
}

// noHeader says what is wrong with the first row of a file without a header.
func noHeader(data []byte, names map[string]string) (bad []RowError) {
	for _, sep := range separators {
		s := newSheet(data, sep.comma)
		header, err := s.next()
		if err != nil {
			return []RowError{{Row: s.row, Reason: err.Error()}}
		}
		if n := len(trimEmpty(header)); n > maxColumns {
			return []RowError{{s.row, "", fmt.Sprintf("there are %d columns, more than %d: delete some", n, maxColumns)}}
		}
		c := find(trimEmpty(header), s.row, names)
		if found := append(c.bad, c.missing(s.row)...); bad == nil || c.has("title") {
			bad = found
		}
	}
	return bad
}

// name is the word for what separates the cells.
func (s *sheet) name() string {
	for _, sep := range separators {
		if sep.comma == s.reader.Comma {
			return sep.name
		}
	}
	return string(s.reader.Comma)
}

// line is a row that was read and not understood yet.
type line struct {
	row   int
	cells cells
}

// empty reports whether no known column says anything: shops write rows of a further
// picture, or of a sum.
func (l line) empty() bool {
	for _, cell := range l.cells {
		if strings.TrimSpace(cell) != "" {
			return false
		}
	}
	return true
}

// variants are the fields that tell apart what is sold under one title.
var variants = []string{"variant", "variant_2", "variant_3"}

// goOn takes from the row above what a row leaves out that only says what else there
// is of the same thing: another size or colour.
func (l line) goOn(above line) {
	other := slices.ContainsFunc(variants, func(v string) bool { return clean(l.cells[v]) != "" })
	if !other || clean(l.cells["title"]) != "" {
		return
	}
	for field, cell := range above.cells {
		if clean(l.cells[field]) == "" && !slices.Contains(variants, field) && !slices.Contains(ownOfVariant, field) {
			l.cells[field] = cell
		}
	}
}

// ownOfVariant are the fields that a row of a variant says for itself.
var ownOfVariant = []string{"price", "quantity", "code"}

// titleOf is the title with the variant, but for the word that shops write where
// there is only one.
func titleOf(r cells) string {
	title := r["title"]
	for _, v := range variants {
		if cell := clean(r[v]); clean(title) != "" && cell != "" && !slices.Contains([]string{"default title", "regular"}, strings.ToLower(cell)) {
			title += ", " + cell
		}
	}
	return title
}

// fill reads the rows below the header.
func (t *Table) fill(s *sheet, cols columns, width int, o TableOptions) {
	var lines []line
	for n := 0; ; {
		row, err := s.next()
		if err == io.EOF {
			break
		}
		if err == nil && len(trimEmpty(row)) == 0 {
			continue
		}
		if n == MaxFileRows {
			t.Bad = append(t.Bad, RowError{s.row, "", fmt.Sprintf("there are more than %d rows: put this and all below into another file", MaxFileRows)})
			break
		}
		n++
		if err == nil {
			err = s.fits(row, width)
		}
		if err != nil {
			t.Bad = append(t.Bad, RowError{s.row, "", err.Error()})
			continue
		}
		l := line{s.row, cells{}}
		for field, c := range cols.of {
			l.cells[field] = unguard(row[c.at])
		}
		if l.empty() {
			continue
		}
		if len(lines) > 0 {
			l.goOn(lines[len(lines)-1])
		}
		lines = append(lines, l)
	}
	if o.Marks == amount.Unknown {
		t.showMarks(lines, cols, o)
		o.Marks = t.Marks
	}
	t.Marks = o.Marks
	if t.Mixed {
		return
	}
	for _, l := range lines {
		t.take(l, cols, o)
	}
	slices.SortStableFunc(t.Bad, func(a, b RowError) int { return a.Row - b.Row })
}

// showMarks finds out how the file marks decimals. Two amounts that show different
// ways are an error of the whole file.
func (t *Table) showMarks(lines []line, cols columns, o TableOptions) {
	var first [3]string
	for _, l := range lines {
		for _, field := range []string{"price", "case_kg"} {
			parts, ok, err := amount.Take(l.cells[field], o.knows)
			if !ok || err != nil {
				continue
			}
			for _, number := range []string{parts.From, parts.To} {
				if _, shows, err := amount.Read(number, amount.Unknown); err == nil && shows != amount.Unknown && parts.Decimal() && first[shows] == "" {
					first[shows] = fmt.Sprintf("%s in row %d", number, l.row)
				}
			}
		}
	}
	point, comma := first[amount.Point], first[amount.Comma]
	switch {
	case point != "" && comma != "":
		t.Mixed = true
		t.Bad = append(t.Bad, RowError{Reason: fmt.Sprintf("the file marks decimals in two ways: by a point (%s) and by a comma (%s). "+
			"Write all in one way, or say which one counts", point, comma)})
	case point != "":
		t.Marks, t.Shown = amount.Point, point
	case comma != "":
		t.Marks, t.Shown = amount.Comma, comma
	}
}

// take reads one row.
func (t *Table) take(l line, cols columns, o TableOptions) {
	d, bad := o.draft(l.cells, cols)
	for _, e := range bad {
		name := e.Field
		if c, ok := cols.of[e.Field]; ok {
			name = c.name
		}
		t.Bad = append(t.Bad, RowError{l.row, name, e.Reason})
	}
	if bad != nil {
		return
	}
	row := Row{Draft: d, Row: l.row}
	for field := range cols.of {
		row.Fields = append(row.Fields, field)
	}
	slices.Sort(row.Fields)
	t.Rows = append(t.Rows, row)
}

// draft reads the cells of a row.
func (o TableOptions) draft(r cells, cols columns) (d Draft, bad Invalid) {
	note := func(field string, err error) {
		if err != nil {
			bad = append(bad, FieldError{field, err.Error()})
		}
	}
	d = Draft{
		Kind: Kind(r["kind"]), Title: titleOf(r), Category: r["category"], Tags: strings.Split(r["tags"], ","), Quantity: r["quantity"],
		Place: r["place"], Status: statusOf(r["status"]), Code: r["code"], List: o.listOf(r, cols),
	}
	if !cols.has("kind") {
		d.Kind = Offer
	}
	per, err := o.perOf(r)
	note("per", err)
	price, err := o.priceOf(r, cols, per)
	d.Price = price.String()
	if err == nil && price.Kind == PriceNone && !cols.has("kind") {
		err = errors.New("it is empty: write an amount such as 4.50, or gift")
	}
	note("price", err)
	if kg := clean(r["case_kg"]); kg != "" {
		number, _, err := amount.Read(kg, o.Marks)
		if unclear := (*amount.Unclear)(nil); err != nil && !errors.As(err, &unclear) {
			err = fmt.Errorf("%q is no number of kilograms: write for example 12.5, or nothing", kg)
		}
		note("case_kg", err)
		d.Quantity = strings.TrimPrefix(d.Quantity+", cases of "+amount.Plain(number)+" kg", ", ")
	}
	d.Text = textOf(r)
	if d.Expires, err = parseTime(clean(r["expires"])); err != nil {
		note("expires", err)
	}
	d, more := d.check(nil)
	for _, e := range more {
		switch { // a price that was read above and is bad now is so by its unit
		case e.Field == "price" && cols.has("unit"):
			e.Field = "unit"
		case e.Field == "text" && cols.has("note"):
			e.Field = "note"
		}
		bad = append(bad, e)
	}
	return d, bad
}

// textOf is the text of a listing with what else a price list says.
func textOf(r cells) string {
	text := r["text"]
	for _, part := range []struct{ label, cell string }{{"Supplier: ", r["supplier"]}, {"Origin: ", r["origin"]}, {"", r["note"]}} {
		if cell := strings.TrimSpace(part.cell); cell != "" {
			text += "\n\n" + part.label + cell
		}
	}
	if r["text"] == "" {
		text = strings.TrimPrefix(text, "\n\n")
	}
	return text
}

// listOf is the name of the list that a row belongs to.
func (o TableOptions) listOf(r cells, cols columns) string {
	switch {
	case o.List != "":
		return o.List
	case cols.has("list"):
		return r["list"]
	case clean(r["supplier"]) != "":
		return r["supplier"]
	case cols.has("kind"):
		return "" // somebody's own listings
	}
	return PriceList
}

// PriceList is what a list is called that nobody named.
const PriceList = "price list"

// priceOf reads the price of a row: its unit may stand in the cell, in a column of
// its own, or in the header. What it buys may stand in the cell, elsewhere in the row
// (per), or in the header.
func (o TableOptions) priceOf(r cells, cols columns, per string) (Price, error) {
	c := cols.of["price"]
	for _, money := range []string{c.money, clean(r["currency"])} {
		if money == "" {
			continue
		}
		unit, err := o.Reader.unit(money)
		if err != nil {
			return Price{}, err
		}
		o.Unit = unit
	}
	price, err := o.Reader.Price(r["price"])
	if price.Per == "" && (price.Kind == PriceAmount || price.Kind == PriceRange) {
		if price.Per = per; price.Per == "" {
			price.Per = c.per
		}
	}
	return price, err
}

// perOf is what the price of a row buys: its unit, or as many of it as a column says
// that the price is for.
func (o TableOptions) perOf(r cells) (string, error) {
	unit, per := strings.TrimLeft(clean(r["unit"]), "/ "), clean(r["per"])
	if per == "" || strings.ContainsFunc(per, unicode.IsLetter) {
		return cmp.Or(per, unit), nil
	}
	number, _, err := amount.Read(per, o.Marks)
	unclear := (*amount.Unclear)(nil)
	switch {
	case errors.As(err, &unclear):
		return "", err
	case err != nil || strings.Trim(number, "0.") == "":
		return "", fmt.Errorf("%q does not say how much the price is for: write for example 100, or nothing", per)
	case number == "1":
		return unit, nil
	}
	return clean(amount.Plain(number) + " " + unit), nil
}

// statusOf reads whether something is to be had.
func statusOf(cell string) Status {
	switch strings.ToLower(clean(cell)) {
	case "x", "no", "nein", "non", "0", "false", "out of stock", "nicht lieferbar", "ausgelistet", "draft", "archived":
		return Closed
	case "yes", "ja", "oui", "1", "true", "in stock", "lieferbar", "active":
		return Open
	}
	return Status(cell)
}

// days are how spreadsheets write a day that can be read in one way only: with
// dots the day comes first wherever people write dots.
var days = []string{time.DateOnly, "2006/1/2", "2.1.2006", "2.1.06"}

// parseTime reads a moment, or a day, which lasts until midnight UTC. Nothing is 0.
func parseTime(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UnixMilli(), nil
	}
	for _, day := range days {
		if t, err := time.Parse(day, s); err == nil {
			return t.AddDate(0, 0, 1).UnixMilli() - 1, nil
		}
	}
	return 0, fmt.Errorf("%q is no date: write for example 2027-01-31", s)
}

// A spreadsheet runs a cell that begins with = + - or @ as a formula. So
// WriteCSV puts a ' before that and ReadTable takes one off, both wherever a cell
// may begin for a spreadsheet that takes other separators than ours and then
// reads our quotation marks as something else.
var (
	formula = regexp.MustCompile(`(^|[;\t\r\n])([ "]*)('*[=+\-@＝＋－＠])`)
	guarded = regexp.MustCompile(`(^|[;\t\r\n])([ "]*)'('*[=+\-@＝＋－＠])`)
)

func guard(cell string) string   { return formula.ReplaceAllString(cell, "$1$2'$3") }
func unguard(cell string) string { return guarded.ReplaceAllString(cell, "$1$2$3") }

// WriteCSV writes listings as a file that spreadsheets open without running
// anything in it and that ReadTable reads as the same drafts. It is UTF-8 without
// a byte order mark and has no ids and owners.
func WriteCSV(w io.Writer, listings iter.Seq[Listing]) error {
	out := csv.NewWriter(w)
	out.Write(own) // errors stay until Flush
	for l := range listings {
		d := l.Draft()
		r := cells{"tags": strings.Join(d.Tags, ", ")}
		if d.Expires != 0 {
			r["expires"] = formatTime(d.Expires)
		}
		for _, f := range fields {
			r[f.name] = *f.at(&d)
		}
		line := make([]string, len(own))
		for i, column := range own {
			line[i] = guard(r[column])
		}
		out.Write(line)
	}
	out.Flush()
	return out.Error()
}

// Keys are what a row of a list names a listing by: its code, and its title with
// what the price buys. Two listings of different lists have no key in common.
func Keys(d Draft) (keys []string) {
	list := string(d.Kind) + "\x00" + Fold(d.List) + "\x00"
	if d.Code != "" {
		keys = append(keys, list+"code\x00"+d.Code)
	}
	price, _ := ParsePrice(d.Price, "")
	return append(keys, list+"title\x00"+Fold(d.Title)+"\x00"+Fold(price.Per))
}

// Onto returns a listing with what the row says of it. What the file has no column
// for stays; what is in a list is open.
func (r Row) Onto(was Draft) Draft {
	d := r.Draft
	has := func(fields ...string) bool {
		return slices.ContainsFunc(fields, func(f string) bool { return slices.Contains(r.Fields, f) })
	}
	for _, f := range []struct {
		has bool
		at  func(*Draft) *string
	}{
		{has("text", "supplier", "origin", "note"), func(d *Draft) *string { return &d.Text }},
		{has("category"), func(d *Draft) *string { return &d.Category }},
		{has("price"), func(d *Draft) *string { return &d.Price }},
		{has("quantity", "case_kg"), func(d *Draft) *string { return &d.Quantity }},
		{has("place"), func(d *Draft) *string { return &d.Place }},
		{has("code"), func(d *Draft) *string { return &d.Code }},
	} {
		if !f.has {
			*f.at(&d) = *f.at(&was)
		}
	}
	if !has("tags") {
		d.Tags = was.Tags
	}
	if !has("expires") {
		d.Expires = was.Expires
	}
	return d
}
