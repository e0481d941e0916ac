package listing_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"coop/crdt/listing"
)

const (
	ownHeader   = "title,kind,text,category,tags,price,quantity,place,expires,status\n"
	allHeader   = "title,kind,text,category,tags,price,quantity,place,expires,status,code,list\n"
	priceHeader = "supplier,name,category,price,unit,case_kg,origin,note\n"
)

// parse reads a file in euro.
func parse(file string) ([]listing.Draft, []listing.RowError) {
	return readCSV(strings.NewReader(file), "euro")
}

// readCSV reads a file whose prices are in unit.
func readCSV(r io.Reader, unit string) (drafts []listing.Draft, bad []listing.RowError) {
	t := listing.ReadTable(r, listing.TableOptions{Reader: listing.Reader{Unit: unit}})
	for _, row := range t.Rows {
		drafts = append(drafts, row.Draft)
	}
	return drafts, t.Bad
}

// cmd/coop/demo/price-list.csv is the price list of a small food co-op: facts from
// the sample data of Foodsoft (foodcoops/foodsoft, db/seeds/small.en.seeds.rb),
// with its spelling and prices as they are.
func TestReadTableWholePriceList(t *testing.T) {
	f, err := os.Open("../../cmd/coop/demo/price-list.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	drafts, bad := readCSV(f, "euro")
	if len(drafts) != 122 || len(bad) != 0 {
		t.Fatalf("got %d drafts and %v, want 122 and no error", len(drafts), bad)
	}
	for i, d := range drafts {
		if _, err := d.Create(); err != nil {
			t.Errorf("draft %d: %v", i, err)
		}
		p, err := listing.ParsePrice(d.Price, "")
		if err != nil || p.Kind != listing.PriceAmount || p.Unit != "euro" || p.Per == "" || d.Kind != listing.Offer || d.Category == "" {
			t.Errorf("draft %d: got %+v with price %+v, %v", i, d, p, err)
		}
	}
	want := map[int]listing.Draft{
		9: {Kind: listing.Offer, Title: "Bread with sunflower seeds half", Text: "Supplier: Beautiful bakery\n\norganic", Category: "Bread & Bakery",
			Price: "1.10 euro/piece", Status: listing.Open, List: "Beautiful bakery"},
		54: {Kind: listing.Offer, Title: "Cheese cow- extra matured", Text: "Supplier: Cheesemaker\n\nOrigin: NL\n\norganic", Category: "Milk & products",
			Price: "12.00 euro/piece", Quantity: "cases of 8 kg", Status: listing.Open, List: "Cheesemaker"},
		119: {Kind: listing.Offer, Title: "Wheat", Text: "Supplier: Farmer John", Category: "Grains & Legumes", Price: "25.00 euro/kg", Status: listing.Open, List: "Farmer John"},
	}
	for row, d := range want {
		if got := drafts[row-2]; !reflect.DeepEqual(got, d) {
			t.Errorf("row %d: got %+v, want %+v", row, got, d)
		}
	}
}

func TestReadTablePriceListCells(t *testing.T) {
	tests := []struct {
		name, row string
		want      listing.Draft
	}{
		{"all cells", "Ana,Rye,Bread,2.20,kg,12.5,NL,fresh",
			listing.Draft{Title: "Rye", Category: "Bread", Price: "2.20 euro/kg", Quantity: "cases of 12.5 kg", Text: "Supplier: Ana\n\nOrigin: NL\n\nfresh", List: "Ana"}},
		{"no unit", ",Rye,,2.20,,,,", listing.Draft{Title: "Rye", Price: "2.20 euro"}},
		{"price with unit", ",Rye,,1 hour,kg,,,", listing.Draft{Title: "Rye", Price: "1 hour/kg"}},
		{"price with unit and per", ",Rye,,2 euro/loaf,kg,,,", listing.Draft{Title: "Rye", Price: "2 euro/loaf"}},
		{"range", ",Rye,,2-3,kg,,,", listing.Draft{Title: "Rye", Price: "2-3 euro/kg"}},
		{"gift", ",Rye,,gift,kg,,,", listing.Draft{Title: "Rye", Price: "gift"}},
		{"free text", ",Rye,,on request,kg,,,", listing.Draft{Title: "Rye", Price: "on request"}},
		{"decimal comma", `,Rye,,"2,20",kg,"0,5",,`, listing.Draft{Title: "Rye", Price: "2.20 euro/kg", Quantity: "cases of 0.5 kg"}},
		{"note with line ends", ",Rye,,1,kg,,,\"a\r\nb\"", listing.Draft{Title: "Rye", Price: "1 euro/kg", Text: "a\nb"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Kind, tt.want.Status = listing.Offer, listing.Open
			if tt.want.List == "" {
				tt.want.List = listing.PriceList
			}
			got, bad := parse(priceHeader + tt.row)
			if len(bad) > 0 || len(got) != 1 || !reflect.DeepEqual(got[0], tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, bad, tt.want)
			}
		})
	}
}

func TestReadTableOwnCells(t *testing.T) {
	tests := []struct {
		name, row string
		want      listing.Draft
	}{
		{"all cells", `Rye,offer,"# Fresh` + "\n\n" + `Every day",Bread,"organic, Rye,,rye",2.20 euro/kg,20 kg,Willow Street,2027-01-31T10:00:00Z,closed`,
			listing.Draft{Kind: listing.Offer, Title: "Rye", Text: "# Fresh\n\nEvery day", Category: "Bread", Tags: []string{"organic", "Rye"}, Price: "2.20 euro/kg",
				Quantity: "20 kg", Place: "Willow Street", Expires: 1801389600000, Status: listing.Closed}},
		{"few cells", "Rye,Need,,,,,,,,", listing.Draft{Kind: listing.Need, Title: "Rye"}},
		{"default unit", "Rye,need,,,,2.20,,,,OPEN", listing.Draft{Kind: listing.Need, Title: "Rye", Price: "2.20 euro"}},
		{"a day lasts until midnight", "Rye,need,,,,,,,1970-01-02,", listing.Draft{Kind: listing.Need, Title: "Rye", Expires: 2*86400_000 - 1}},
		{"a moment with milliseconds elsewhere", "Rye,need,,,,,,,1970-01-01T01:00:00.005+01:00,", listing.Draft{Kind: listing.Need, Title: "Rye", Expires: 5}},
		{"the last moment", "Rye,need,,,,,,,9999-12-31,", listing.Draft{Kind: listing.Need, Title: "Rye", Expires: listing.MaxExpires}},
		{"white space and line ends in a line", "\" a\n  b \",need,,,,,,,,", listing.Draft{Kind: listing.Need, Title: "a b"}},
		{"quotes of formulas", "'=1+1,need,'-x,'@b,,,'+3,''=x,,", listing.Draft{Kind: listing.Need, Title: "=1+1", Text: "-x", Category: "@b", Quantity: "+3", Place: "'=x"}},
		{"other quotes stay", "'tis,need,x '=,,,,,,,", listing.Draft{Kind: listing.Need, Title: "'tis", Text: "x '="}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want.Status == "" {
				tt.want.Status = listing.Open
			}
			got, bad := parse(ownHeader + tt.row)
			if len(bad) > 0 || len(got) != 1 || !reflect.DeepEqual(got[0], tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, bad, tt.want)
			}
		})
	}
}

// The same two listings in the shapes in which spreadsheets write them.
func TestReadTableShapes(t *testing.T) {
	const plain = "name,price,unit\nRye,2.20,kg\nOats,1.10,kg\n"
	tests := []struct{ name, file string }{
		{"plain", plain},
		{"without the last line end", strings.TrimSuffix(plain, "\n")},
		{"byte order mark", "\ufeff" + plain},
		{"CRLF", strings.ReplaceAll(plain, "\n", "\r\n")},
		{"semicolons and decimal commas", "name;price;unit\nRye;2,20;kg\nOats;1,10;kg\n"},
		{"tabs", strings.ReplaceAll(plain, ",", "\t")},
		{"all in quotation marks", "\"name\",\"price\",\"unit\"\n\"Rye\",\"2.20\",\"kg\"\n\"Oats\",\"1.10\",\"kg\"\n"},
		{"header in capitals with spaces", " Name , PRICE,Unit\nRye,2.20,kg\nOats,1.10,kg\n"},
		{"other order of columns", "unit,name,price\nkg,Rye,2.20\nkg,Oats,1.10\n"},
		{"empty cells and columns at the end", "name,price,unit,,\nRye,2.20,kg,,,\nOats,1.10,kg\n"},
		{"lines that end as on old Macs", strings.ReplaceAll(plain, "\n", "\r")},
		{"empty rows", "\nname,price,unit\n\nRye,2.20,kg\n,,\n\nOats,1.10,kg\n,,,,\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, bad := parse(tt.file)
			if len(bad) > 0 || len(got) != 2 || got[0].Title != "Rye" || got[0].Price != "2.20 euro/kg" || got[1].Title != "Oats" || got[1].Price != "1.10 euro/kg" {
				t.Errorf("got %+v, %v", got, bad)
			}
		})
	}
}

func TestReadTableErrors(t *testing.T) {
	tests := []struct {
		name, file string
		drafts     int
		want       []string // the beginning of each error
	}{
		{"nothing", "", 0, []string{"the file is empty: its first row must name the columns"}},
		{"byte order mark only", "\ufeff\r\n", 0, []string{"the file is empty"}},
		{"no header", "Rye,2.20,kg\n", 0, []string{"row 1: the columns are not known: the first row must name them, like title,kind,"}},
		{"too many columns", "title,kind" + strings.Repeat(",x", 199), 0, []string{"row 1: there are 201 columns, more than 200: delete some"}},
		{"header below an empty line", "\n\nx\n", 0, []string{"row 3: the columns are not known"}},
		{"broken header", "name,\"price\nRye,1\n", 0, []string{"row 1: quotation marks do not match"}},
		{"column twice", "name,price,unit,Price\nRye,1,kg,2\n", 0, []string{"row 1, column price: the column is there twice: delete or rename one"}},
		{"two columns that may be the price", "name,net price,retail price\nRye,1,2\n", 0, []string{`row 1, column retail price: both "net price" and "retail price" may be the price: say which one is`}},
		{"two prices, one for a time", "name,price,sale price\nRye,1,2\n", 0, []string{`row 1, column sale price: both "price" and "sale price" may be the price`}},
		{"how much the price is for", "name;price;price unit;unit\nRye;1,50;none;kg\nOats;1,50;0;kg\nSpelt;1,50;-1;kg\nCorn;1,50;1.000;kg\n", 2,
			[]string{`row 3, column price unit: "0" does not say how much the price is for: write for example 100, or nothing`, `row 4, column price unit: "-1" does not`}},
		{"how much the price is for, unclear", "name;price;per;unit\nCorn;1;1.000;kg\n", 0, []string{`row 2, column per: "1.000" may be 1000 or 1.000`}},
		{"a variant of nothing", "title,price,variation name\n,2,Small\n", 0, []string{"row 2, column title: it is empty: say in a few words"}},
		{"rows that say nothing known", "title,price,picture\nRye,2,a.jpg\n,,b.jpg\n", 1, nil},
		{"column unknown", "name,price,unit,catgory\nRye,1,kg,x\n", 1, nil},
		{"column without a name", "name,,price,unit\nRye,,1,kg\n", 1, nil},
		{"columns missing in a price list", "name,origin\nRye,NL\n", 0, []string{"row 1, column price: the column is missing: add it"}},
		{"an encoding that nobody knows", "name,price,unit\nCr\x81me,1,kg\n", 0, []string{`its encoding is not known: in the spreadsheet save it again as "CSV UTF-8" (Excel)`}},
		{"a spreadsheet", "PK\x03\x04\x14\x00", 0, []string{`it is no CSV file, but one of a spreadsheet or for a printer: in the spreadsheet save it again as "CSV UTF-8"`}},
		{"an old spreadsheet", "\xd0\xcf\x11\xe0\xa1\xb1", 0, []string{"it is no CSV file"}},
		{"a day that may be another", ownHeader + "Rye,need,,,,,,,5/1/2027,\n", 0, []string{`row 2, column expires: "5/1/2027" is no date`}},
		{"too large", "name,price,unit\n" + strings.Repeat("x", listing.MaxFileLen), 0, []string{"the file is larger than 4 MiB: split it"}},

		{"bad cells between good rows", priceHeader + "A,Rye,,1,kg,,,\nA,,,x1,kg,,,\nA,Oats,,,kg,zero,,\n,Wheat,,2.,kg,,,\n,Corn,,3,kg,,,\n", 2,
			[]string{"row 3, column name: it is empty: say in a few words", "row 4, column price: it is empty: write an amount such as 4.50, or gift",
				`row 4, column case_kg: "zero" is no number of kilograms: write for example 12.5, or nothing`, `row 5, column price: "2." is not an amount: write for example 4.50`}},
		{"too few cells", "name,price,unit\nRye,1\nOats,1,kg\n", 1, []string{"row 2: it has 2 cells for 3 columns: add the missing ones"}},
		{"too many cells", "name,price,unit\nRye,1,50,kg\nOats,1,kg\n", 1, []string{"row 2: it has 4 cells for 3 columns: put a cell with a ',' inside in quotation marks"}},
		{"too many cells with semicolons", "name;price;unit\nRye;1;50;kg\n", 0, []string{"row 2: it has 4 cells for 3 columns: put a cell with a ';' inside"}},
		{"bare quotation mark", "name,price,unit\n5\" pot,1,kg\nOats,1,kg\n", 1, []string{`row 2: quotation marks do not match in lines 2 to 2: put the cell in quotation marks and write "" for each one inside it`}},
		{"text behind a quotation mark", "name,price,unit\n\"a\"b,1,kg\nOats,1,kg\n", 1, []string{"row 2: quotation marks do not match"}},
		{"quotation mark never closed", "name,price,unit\nOats,1,kg\n\"Rye,1,kg\nCorn,1,kg\n", 1, []string{"row 3: quotation marks do not match in lines 3 to 4: put"}},
		{"rows are counted, not lines", "name,price,unit,note\nRye,1,kg,\"a\n\nb\"\n\n,1,kg,\n\"x\ny\"z,1,kg,\n\nOats,,kg,\n", 1,
			[]string{"row 4, column name: it is empty", "row 5: quotation marks", "row 7, column price: it is empty"}},
		{"thousands that other rows explain", "name;price;unit\nRye;1.250;kg\nOats;1,25;kg\nCorn;1250;kg\n", 3, nil},
		{"thousands that nothing explains", "name;price;unit\nRye;1.250;kg\nCorn;1250;kg\n", 1,
			[]string{`row 2, column price: "1.250" may be 1250 or 1.250: write 1250 for the first, 1.25 for the second`}},
		{"thousands of kilograms that nothing explains", "name,price,unit,case_kg\nRye,1,kg,1.000\n", 0, []string{`row 2, column case_kg: "1.000" may be 1000 or 1.000`}},
		{"decimals in two ways", "name;price;unit\nRye;1.25;kg\nOats;2,5;kg\n", 0,
			[]string{"the file marks decimals in two ways: by a point (1.25 in row 2) and by a comma (2,5 in row 3). Write all in one way, or say which one counts"}},
		{"a shortened number", "name,price,unit\nRye,1e3,kg\n", 0, []string{`row 2, column price: "1e3" is how a spreadsheet shortens a number`}},
		{"long cells of a price list", fmt.Sprintf("name,price,unit,category,note\n%s,1,%s,%s,%s\n", long(201), long(200), long(101), long(10_001)), 0,
			[]string{"row 2, column name: it has 201 characters, more than 200: shorten it", "row 2, column note: it has 10001", "row 2, column category: it has 101", "row 2, column unit: it has 20"}},

		{"cells of our file", ownHeader + "Rye,gift,,,,-1,,,31.2.2027,maybe\n,offer,,,,,,,,\nOats,need,,,,,,,,\n", 1,
			[]string{`row 2, column price: "-1" is below zero`, `row 2, column expires: "31.2.2027" is no date: write for example 2027-01-31`,
				`row 2, column kind: "gift" is neither offer nor need: write one of them`, `row 2, column status: "maybe" is neither open nor closed`, "row 3, column title: it is empty"}},
		{"long cells of our file", ownHeader + fmt.Sprintf("%s,need,%s,%s,%s,%s,%s,%s,0001-01-01,\n", long(201), long(10_001), long(101), long(61), long(201), long(101), long(201)), 0,
			[]string{"row 2, column title: it has 201", "row 2, column text: it has 10001", "row 2, column category: it has 101", "row 2, column price: it has 201",
				"row 2, column quantity: it has 101", "row 2, column place: it has 201", `row 2, column tags: "` + long(61) + `": it has 61`, "row 2, column expires: it is not in the years"}},
		{"many tags", ownHeader + "Rye,need,,,\"" + numbers(21) + "\",,,,,\n", 0, []string{"row 2, column tags: there are 21, more than 20: leave some out"}},
		{"a moment before all years", ownHeader + "Rye,need,,,,,,,1969-12-31T23:59:59Z,\n", 0, []string{"row 2, column expires: it is not in the years"}},
		{"a date after all years", ownHeader + "Rye,need,,,,,,,10000-01-01,\n", 0, []string{`row 2, column expires: "10000-01-01" is no date`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			drafts, bad := parse(tt.file)
			if len(drafts) != tt.drafts {
				t.Errorf("got %d drafts, want %d", len(drafts), tt.drafts)
			}
			same := len(bad) == len(tt.want)
			for i := 0; same && i < len(bad); i++ {
				same = strings.HasPrefix(bad[i].Error(), tt.want[i])
			}
			if !same {
				t.Errorf("got errors %q, want %q", bad, tt.want)
			}
		})
	}
}

// TestReadTableDays: a day is read as spreadsheets of several countries write it.
func TestReadTableDays(t *testing.T) {
	want := time.Date(2027, 1, 6, 0, 0, 0, 0, time.UTC).UnixMilli() - 1
	for _, day := range []string{"2027-01-05", "05.01.2027", "5.1.2027", "5.1.27", "2027/01/05"} {
		drafts, bad := parse("name,price,unit,expires\nRye,1,kg," + day + "\n")
		if len(bad) > 0 || drafts[0].Expires != want {
			t.Errorf("%s: got %v, %v", day, drafts, bad)
		}
	}
}

func long(n int) string { return strings.Repeat("ü", n) }

// numbers returns n tags.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String()
}

func TestReadTableRowLimit(t *testing.T) {
	file := "title,kind\n" + strings.Repeat("a,need\n\n", listing.MaxFileRows)
	if drafts, bad := parse(file); len(drafts) != listing.MaxFileRows || len(bad) != 0 {
		t.Fatalf("at the limit: got %d drafts and %v", len(drafts), bad)
	}
	drafts, bad := parse(file + "b,need\nc,need\n")
	want := listing.RowError{Row: 2*listing.MaxFileRows + 2, Reason: "there are more than 10000 rows: put this and all below into another file"}
	if len(drafts) != listing.MaxFileRows || len(bad) != 1 || bad[0] != want {
		t.Errorf("beyond the limit: got %d drafts and %v, want %v", len(drafts), bad, want)
	}
}

func TestReadTableSizeLimit(t *testing.T) {
	row := "a,need," + strings.Repeat("x", 9000) + "\n"
	file := "title,kind,text\n" + strings.Repeat(row, (listing.MaxFileLen-16)/len(row))
	file += strings.Repeat("\n", listing.MaxFileLen-len(file))
	if drafts, bad := parse(file); len(drafts) < 400 || len(bad) != 0 {
		t.Errorf("at the limit: got %d drafts and %v", len(drafts), bad)
	}
	if drafts, bad := parse(file + "\n"); len(drafts) != 0 || len(bad) != 1 {
		t.Errorf("beyond the limit: got %d drafts and %v", len(drafts), bad)
	}
}

func TestReadTableWithoutDefaultUnit(t *testing.T) {
	_, bad := readCSV(strings.NewReader("name,price,unit\nRye,2.20,kg\n"), "")
	want := `row 2, column price: "2.20" has no unit: write for example 2.20 euro or 2.20 hour`
	if len(bad) != 1 || bad[0].Error() != want {
		t.Errorf("got %v, want %q", bad, want)
	}
}

func TestReadTableUnreadable(t *testing.T) {
	drafts, bad := readCSV(iotest.ErrReader(errors.New("the stick was pulled out")), "")
	if len(drafts) != 0 || len(bad) != 1 || bad[0].Error() != "the stick was pulled out" {
		t.Errorf("got %v, %v", drafts, bad)
	}
}

func TestWriteCSV(t *testing.T) {
	all := []listing.Listing{
		{Kind: listing.Offer, Status: listing.Open, Title: "Rye; \"fresh\"", Text: "# Bread\n- rye\n- oats", Category: "Bread, & Bakery", Tags: []string{"a", "b"},
			Price: listing.Price{Kind: listing.PriceRange, From: "2", To: "3.50", Unit: "euro", Per: "kg"}, Quantity: "20 kg", Place: "Willow Street", Expires: 1801389600001},
		{Kind: listing.Need, Status: listing.Closed, Title: "=HYPERLINK(\"x\")", Text: "x;=1\t-2", Category: "a;\"=1", Price: listing.Price{Kind: listing.PriceText, Text: "@SUM(1)"},
			Quantity: "'=1", Place: "＝1"},
		{Kind: listing.Need, Status: listing.Open, Title: "+1", Text: "a\n =b"},
	}
	want := allHeader +
		"\"Rye; \"\"fresh\"\"\",offer,\"# Bread\n'- rye\n'- oats\",\"Bread, & Bakery\",\"a, b\",2-3.50 euro/kg,20 kg,Willow Street,2027-01-31T10:00:00.001Z,open,,\n" +
		"\"'=HYPERLINK(\"\"x\"\")\",need,x;'=1\t'-2,\"a;\"\"'=1\",,'@SUM(1),''=1,'＝1,,closed,,\n" +
		"'+1,need,\"a\n '=b\",,,,,,,open,,\n"
	var out strings.Builder
	if err := listing.WriteCSV(&out, slices.Values(all)); err != nil || out.String() != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, out.String(), want)
	}
	if err := listing.WriteCSV(fullDisk{}, slices.Values(all)); err == nil {
		t.Error("no error from a full disk")
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk is full") }

// export writes drafts as the listings that Create would make of them.
func export(t require, drafts []listing.Draft) []byte {
	t.Helper()
	var out bytes.Buffer
	err := listing.WriteCSV(&out, func(yield func(listing.Listing) bool) {
		for _, d := range drafts {
			p, err := listing.ParsePrice(d.Price, "")
			if err != nil {
				t.Fatalf("price %q: %v", d.Price, err)
			}
			l := listing.Listing{Kind: d.Kind, Status: d.Status, Title: d.Title, Text: d.Text, Category: d.Category, Tags: d.Tags, Price: p, Quantity: d.Quantity, Place: d.Place, Expires: d.Expires, Code: d.Code, List: d.List}
			if !yield(l) {
				return
			}
		}
	})
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	return out.Bytes()
}

// require is what *testing.T and *rapid.T share here.
type require interface {
	Helper()
	Fatalf(format string, args ...any)
}

// noFormula fails if some spreadsheet would run a cell of file, whatever it
// takes for the separator and whether or not it minds quotation marks then.
func noFormula(t require, file []byte) {
	t.Helper()
	for _, comma := range ",;\t" {
		r := csv.NewReader(bytes.NewReader(file))
		r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, true, -1
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatalf("%v in\n%s", err, file)
		}
		if comma != ',' {
			for line := range strings.Lines(string(file)) {
				rows = append(rows, strings.Split(line, string(comma)))
			}
		}
		for _, cell := range slices.Concat(rows...) {
			if cell = strings.TrimLeft(cell, " \""); cell != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(cell)[0]) {
				t.Fatalf("cell %q runs where %q separates, in\n%s", cell, comma, file)
			}
		}
	}
}

// genLine returns lines of text that are nasty in files, cleaned.
func genLine(limit int) *rapid.Generator[string] {
	nasty := rapid.SampledFrom([]rune("=+-@＝－'\";, \t\nabcüß€\u0301😀{}0\\#*"))
	return rapid.Map(rapid.StringOfN(nasty, 0, min(limit, 12), -1), func(s string) string { return strings.Join(strings.Fields(s), " ") })
}

// genDraft returns drafts as Create takes them.
func genDraft() *rapid.Generator[listing.Draft] {
	return rapid.Custom(func(t *rapid.T) listing.Draft {
		d := listing.Draft{
			Kind:     rapid.SampledFrom([]listing.Kind{listing.Offer, listing.Need}).Draw(t, "kind"),
			Status:   rapid.SampledFrom([]listing.Status{listing.Open, listing.Closed}).Draw(t, "status"),
			Title:    genLine(100).Filter(func(s string) bool { return s != "" }).Draw(t, "title"),
			Text:     rapid.StringOfN(rapid.SampledFrom([]rune("=+-@＝－'\";, \t\nabcü😀")), 0, 20, -1).Draw(t, "text"),
			Category: genLine(100).Draw(t, "category"),
			Quantity: genLine(100).Draw(t, "quantity"),
			Place:    genLine(100).Draw(t, "place"),
			Code:     genLine(60).Draw(t, "code"),
			List:     genLine(60).Draw(t, "list"),
			Expires:  rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, listing.MaxExpires)).Draw(t, "expires"),
			Price: rapid.SampledFrom([]string{"", "gift", "swap", "swap for =1", "4.50 euro/kg", "2-3 hour", "2 euro/-x", "what you can", "-", "=1", "'=1", "@x", "x;=1"}).
				Draw(t, "price"),
		}
		for _, tag := range rapid.SliceOfNDistinct(genLine(20), 0, 4, listing.Fold).Draw(t, "tags") {
			if tag != "" && !strings.Contains(tag, ",") {
				d.Tags = append(d.Tags, tag)
			}
		}
		return d
	})
}

// Whatever is exported is imported as it was, and no cell of it runs.
func TestCSVRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drafts := rapid.SliceOfN(genDraft(), 0, 5).Draw(t, "drafts")
		file := export(t, drafts)
		got, bad := readCSV(bytes.NewReader(file), "")
		if len(bad) > 0 || len(got) != len(drafts) {
			t.Fatalf("got %d drafts and %v, want %d, from\n%s", len(got), bad, len(drafts), file)
		}
		for i := range got {
			if !reflect.DeepEqual(got[i], drafts[i]) {
				t.Fatalf("got %+v, want %+v, from\n%s", got[i], drafts[i], file)
			}
		}
		noFormula(t, file)
	})
}

// No file makes ReadTable panic, and what it accepts it reads back from its own export.
func FuzzReadTable(f *testing.F) {
	f.Add([]byte(priceHeader + "A,Rye,Bread,1.10,kg,5,NL,organic\nB,,x,0,,,\"\n"))
	f.Add([]byte(ownHeader + "'=Rye,offer,\"a\n'- b\",c,\"d, e\",1 hour,2,f,2027-01-31,closed\n"))
	f.Add([]byte("\ufefftitle;kind;price\r\n\"a;b\";need;1.000\r\n"))
	f.Add([]byte("name\tprice\tunit\n5\"\t1,5\tkg\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		drafts, bad := readCSV(bytes.NewReader(file), "euro")
		for _, e := range bad {
			if e.Reason == "" || e.Row < 0 {
				t.Errorf("error %+v", e)
			}
		}
		got, bad := readCSV(bytes.NewReader(export(t, drafts)), "")
		if len(bad) > 0 || len(got) != len(drafts) {
			t.Fatalf("got %d drafts and %v, want %d", len(got), bad, len(drafts))
		}
		for i := range got {
			if !reflect.DeepEqual(got[i], drafts[i]) {
				t.Errorf("got %+v, want %+v", got[i], drafts[i])
			}
		}
	})
}
