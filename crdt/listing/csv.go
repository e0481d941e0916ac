package listing

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a file that is imported: each row becomes a record for ever.
const (
	MaxFileLen  = 4 << 20 // bytes; 10,000 rows of a price list are about 700 KiB
	MaxFileRows = 10_000  // below the header

	maxColumns = 40 // known, unknown and repeated, so that errors stay few
)

// RowError is what is wrong with a cell, row or file, and what to do.
type RowError struct {
	Row    int    // as a spreadsheet counts: the header is 1. 0: the file as a whole
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

// row is the cells of a row by the names of their columns.
type row map[string]string

// layout is a kind of file. Of the columns the first so many must be there.
type layout struct {
	columns []string
	needs   int
	draft   func(r row, defaultUnit string) (Draft, Invalid)
}

var (
	own       = layout{[]string{"title", "kind", "text", "category", "tags", "price", "quantity", "place", "expires", "status"}, 2, ownDraft}
	priceList = layout{[]string{"name", "price", "unit", "supplier", "category", "case_kg", "origin", "note"}, 3, priceListDraft}
)

// ParseCSV reads a file of listings: what WriteCSV wrote, or a supplier's price
// list with the header
//
//	supplier,name,category,price,unit,case_kg,origin,note
//
// Columns stand in any order; name, price and unit must be there, or title and
// kind. Commas, semicolons or tabs separate cells, as in the header. defaultUnit,
// if not empty, is the unit of prices that name none; those of a price list do not.
//
// It returns the drafts of all good rows, each fit for Create, and an error for
// each cell that is not good, in the order of the rows.
func ParseCSV(r io.Reader, defaultUnit string) ([]Draft, []RowError) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFileLen+1))
	if err == nil {
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
		err = checkFile(data)
	}
	if err != nil {
		return nil, []RowError{{Reason: err.Error()}}
	}
	s := newSheet(data)
	header, err := s.next()
	if err != nil {
		return nil, []RowError{{Row: s.row, Reason: err.Error()}}
	}
	header = trimEmpty(header)
	for i, name := range header {
		header[i] = strings.ToLower(clean(name))
	}
	form, bad := detect(header, s.row)
	if bad != nil {
		return nil, bad
	}
	return s.drafts(header, form, defaultUnit)
}

// checkFile judges what can be judged before the file is taken apart.
func checkFile(data []byte) error {
	if len(data) > MaxFileLen {
		return fmt.Errorf("the file is larger than %d MiB: split it", MaxFileLen>>20)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return errors.New("the file is empty: its first row must name the columns")
	}
	n := 0
	for line := range bytes.Lines(data) {
		if n++; !utf8.Valid(line) {
			return fmt.Errorf(`line %d of the file is not UTF-8: in the spreadsheet save it again as "CSV UTF-8" (Excel) `+
				`or with the character set "Unicode (UTF-8)" (LibreOffice)`, n)
		}
	}
	return nil
}

// sheet reads rows and counts them as a spreadsheet does, empty lines included.
type sheet struct {
	data   []byte
	reader *csv.Reader
	row    int // number of the last row read
	line   int // number of the line behind it
}

func newSheet(data []byte) *sheet {
	s := &sheet{data: data, reader: csv.NewReader(bytes.NewReader(data)), line: 1}
	s.reader.FieldsPerRecord = -1
	header, _, _ := bytes.Cut(bytes.TrimLeft(data, "\r\n"), []byte("\n"))
	for _, c := range ";\t" {
		if bytes.ContainsRune(header, c) && !bytes.ContainsRune(header, ',') {
			s.reader.Comma = c
		}
	}
	return s
}

// next returns the cells of the next row, io.EOF after the last. After another
// error that row is lost and the next can be read.
func (s *sheet) next() ([]string, error) {
	from := s.reader.InputOffset()
	cells, err := s.reader.Read()
	if err == io.EOF {
		return nil, err
	}
	start := 0
	if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
		start = parse.StartLine
		err = fmt.Errorf(`quotation marks do not match in lines %d to %d: put the cell in quotation marks and write "" for each one inside it`, start, parse.Line)
	} else {
		start, _ = s.reader.FieldPos(0)
	}
	s.row += 1 + start - s.line
	s.line += bytes.Count(s.data[from:s.reader.InputOffset()], []byte("\n"))
	return cells, err
}

// detect finds out what kind of file has this header, and what is wrong with it.
func detect(header []string, at int) (form layout, bad []RowError) {
	note := func(column, reason string) { bad = append(bad, RowError{at, column, reason}) }
	form = own
	if !slices.Contains(header, "title") {
		form = priceList
	}
	if !slices.Contains(header, form.columns[0]) || len(header) > maxColumns {
		note("", fmt.Sprintf("the columns are not known: the first row must name them, like %s for listings or %s for a price list",
			strings.Join(own.columns, ","), strings.Join(priceList.columns, ",")))
		return form, bad
	}
	for i, name := range header {
		switch {
		case name == "":
			note("", fmt.Sprintf("column %d has no name: name it or delete it", i+1))
		case slices.Contains(header[:i], name):
			note(name, "the column is there twice: delete or rename one")
		case !slices.Contains(form.columns, name):
			note(name, "the column is not known: delete it, or rename it to one of "+strings.Join(form.columns, ", "))
		}
	}
	for _, name := range form.columns[:form.needs] {
		if !slices.Contains(header, name) {
			note(name, "the column is missing: add it")
		}
	}
	return form, bad
}

// drafts reads the rows below the header.
func (s *sheet) drafts(header []string, form layout, defaultUnit string) (out []Draft, bad []RowError) {
	for n := 0; ; {
		cells, err := s.next()
		switch {
		case err == io.EOF:
			return out, bad
		case err == nil && len(trimEmpty(cells)) == 0:
			continue
		case n == MaxFileRows:
			return out, append(bad, RowError{s.row, "", fmt.Sprintf("there are more than %d rows: put this and all below into another file", MaxFileRows)})
		case err == nil:
			err = s.fits(cells, header)
		}
		n++
		if err != nil {
			bad = append(bad, RowError{s.row, "", err.Error()})
			continue
		}
		d, invalid := s.draft(cells, header, form, defaultUnit)
		for _, e := range invalid {
			bad = append(bad, RowError{s.row, e.Field, e.Reason})
		}
		if invalid == nil {
			out = append(out, d)
		}
	}
}

// draft reads one row with a cell for each column.
func (s *sheet) draft(cells, header []string, form layout, defaultUnit string) (Draft, Invalid) {
	r := row{}
	for i, name := range header {
		r[name] = unguard(cells[i])
	}
	price := clean(r["price"])
	if s.reader.Comma == ';' && thousandsForm.MatchString(price) {
		return Draft{}, Invalid{{"price", fmt.Sprintf("%q may be meant in thousands: write decimals with a comma, thousands without a mark", price)}}
	}
	return form.draft(r, defaultUnit)
}

// thousandsForm is how files that separate cells by semicolons, because the
// comma marks decimals, write whole numbers from a thousand on.
var thousandsForm = regexp.MustCompile(`^[1-9][0-9]{0,2}\.[0-9]{3}$`)

func (s *sheet) fits(cells, header []string) error {
	if n := len(cells); n < len(header) {
		return fmt.Errorf("it has %d cells for %d columns: add the missing ones, empty if need be", n, len(header))
	}
	if n := len(trimEmpty(cells)); n > len(header) {
		return fmt.Errorf("it has %d cells for %d columns: put a cell with a %q inside in quotation marks", n, len(header), s.reader.Comma)
	}
	return nil
}

// trimEmpty drops the empty cells that spreadsheets write at the end of rows.
func trimEmpty(cells []string) []string {
	for len(cells) > 0 && strings.TrimSpace(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	return cells
}

func ownDraft(r row, defaultUnit string) (d Draft, bad Invalid) {
	for _, f := range fields {
		*f.at(&d) = r[f.name]
	}
	d.Tags = strings.Split(r["tags"], ",")
	price, err := ParsePrice(d.Price, defaultUnit)
	if err == nil {
		d.Price = price.String()
	}
	if d.Expires, err = parseTime(clean(r["expires"])); err != nil {
		bad = Invalid{{"expires", err.Error()}}
	}
	d, more := d.check(nil)
	return d, append(bad, more...)
}

// parseTime reads a moment, or a day, which lasts until midnight UTC. Nothing is 0.
func parseTime(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UnixMilli(), nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("%q is no date: write for example 2027-01-31", s)
	}
	return t.AddDate(0, 0, 1).UnixMilli() - 1, nil
}

func priceListDraft(r row, defaultUnit string) (Draft, Invalid) {
	var bad Invalid
	d := Draft{Kind: Offer, Title: r["name"], Category: r["category"]}
	price, err := ParsePrice(r["price"], defaultUnit)
	switch {
	case err != nil:
		bad = append(bad, FieldError{"price", err.Error()})
	case price.Kind == PriceNone:
		bad = append(bad, FieldError{"price", "it is empty: write an amount such as 4.50, or gift"})
	case price.Per == "":
		price.Per = clean(r["unit"])
	}
	d.Price = price.String()
	if kg := clean(r["case_kg"]); kg != "" {
		amount, err := parseAmount(kg)
		if err != nil {
			bad = append(bad, FieldError{"case_kg", fmt.Sprintf("%q is no number of kilograms: write for example 12.5, or nothing", kg)})
		}
		d.Quantity = "cases of " + amount + " kg"
	}
	for _, part := range []struct{ label, cell string }{{"Supplier: ", r["supplier"]}, {"Origin: ", r["origin"]}, {"", r["note"]}} {
		if cell := strings.TrimSpace(part.cell); cell != "" {
			d.Text += "\n\n" + part.label + cell
		}
	}
	d.Text = strings.TrimPrefix(d.Text, "\n\n")
	d, more := d.check(nil)
	for _, e := range more {
		// A price that was read above and is bad now is so by its unit.
		if column, ok := map[string]string{"title": "name", "text": "note", "price": "unit"}[e.Field]; ok {
			e.Field = column
		}
		bad = append(bad, e)
	}
	return d, bad
}

// A spreadsheet runs a cell that begins with = + - or @ as a formula. So
// WriteCSV puts a ' before that and ParseCSV takes one off, both wherever a cell
// may begin for a spreadsheet that takes other separators than ours and then
// reads our quotation marks as something else.
var (
	formula = regexp.MustCompile(`(^|[;\t\r\n])([ "]*)('*[=+\-@＝＋－＠])`)
	guarded = regexp.MustCompile(`(^|[;\t\r\n])([ "]*)'('*[=+\-@＝＋－＠])`)
)

func guard(cell string) string   { return formula.ReplaceAllString(cell, "$1$2'$3") }
func unguard(cell string) string { return guarded.ReplaceAllString(cell, "$1$2$3") }

// WriteCSV writes listings as a file that spreadsheets open without running
// anything in it and that ParseCSV reads as the same drafts. It is UTF-8 without
// a byte order mark and has no ids and owners.
func WriteCSV(w io.Writer, listings iter.Seq[Listing]) error {
	out := csv.NewWriter(w)
	out.Write(own.columns) // errors stay until Flush
	for l := range listings {
		d := l.Draft()
		r := row{"tags": strings.Join(d.Tags, ", ")}
		if d.Expires != 0 {
			r["expires"] = formatTime(d.Expires)
		}
		for _, f := range fields {
			r[f.name] = *f.at(&d)
		}
		cells := make([]string, len(own.columns))
		for i, column := range own.columns {
			cells[i] = guard(r[column])
		}
		out.Write(cells)
	}
	out.Flush()
	return out.Error()
}
