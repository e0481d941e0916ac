package listing

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// foreign are the beginnings of files that people name in place of a CSV file.
var foreign = []string{"PK\x03\x04", "\xd0\xcf\x11\xe0", "%PDF-"}

// decode returns a file as UTF-8, and what it was: spreadsheets and shops write
// in several encodings and seldom say in which.
func decode(data []byte) (text []byte, name string, err error) {
	for _, begin := range foreign {
		if bytes.HasPrefix(data, []byte(begin)) {
			return nil, "", errors.New("it is no CSV file, but one of a spreadsheet or for a printer: " + saveAgain)
		}
	}
	var e encoding.Encoding
	switch {
	case bytes.HasPrefix(data, []byte("\ufeff")):
		data = data[len("\ufeff"):]
		name = "UTF-8"
	case bytes.HasPrefix(data, []byte("\xff\xfe")), zeros(data, 1):
		name, e = "UTF-16", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case bytes.HasPrefix(data, []byte("\xfe\xff")), zeros(data, 0):
		name, e = "UTF-16", unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case utf8.Valid(data):
		name = "UTF-8"
	default:
		name, e = "Windows-1252", charmap.Windows1252
	}
	if e != nil {
		if data, err = e.NewDecoder().Bytes(data); err != nil {
			return nil, name, err
		}
	}
	if bad := bytes.Index(data, []byte("\ufffd")); !utf8.Valid(data) || e != nil && bad >= 0 {
		return nil, name, errors.New("its encoding is not known: " + saveAgain)
	}
	if !bytes.Contains(data, []byte("\n")) { // as spreadsheets of old Macs end their lines
		data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	}
	return data, name, nil
}

const saveAgain = `in the spreadsheet save it again as "CSV UTF-8" (Excel) or as "Text CSV" with the character set "Unicode (UTF-8)" (LibreOffice)`

// zeros reports whether every second byte of the beginning is zero, as in UTF-16
// of Latin letters.
func zeros(data []byte, from int) bool {
	if len(data) < 8 {
		return false
	}
	for i := from; i < 8; i += 2 {
		if data[i] != 0 {
			return false
		}
	}
	return data[1-from] != 0
}

// sheet reads rows and counts them as a spreadsheet does, empty lines included.
type sheet struct {
	data   []byte
	reader *csv.Reader
	row    int // number of the last row read
	line   int // number of the line behind it
}

func newSheet(data []byte, comma rune) *sheet {
	s := &sheet{data: data, reader: csv.NewReader(bytes.NewReader(data)), line: 1}
	s.reader.FieldsPerRecord = -1
	s.reader.Comma = comma
	return s
}

// sepForm is a first line by which spreadsheets tell each other what separates cells.
var sepForm = regexp.MustCompile(`^(?i:"?sep=([^"\r\n])"?)\r?\n`)

// separators are what may stand between cells; names are their words for people.
var separators = []struct {
	comma rune
	name  string
}{{',', "commas"}, {';', "semicolons"}, {'\t', "tabs"}, {'|', "bars"}}

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

// fits says why a row is not one of so many columns, or nil.
func (s *sheet) fits(cells []string, columns int) error {
	if n := len(cells); n < columns {
		return fmt.Errorf("it has %d cells for %d columns: add the missing ones, empty if need be", n, columns)
	}
	if n := len(trimEmpty(cells)); n > columns {
		return fmt.Errorf("it has %d cells for %d columns: put a cell with a %q inside in quotation marks", n, columns, s.reader.Comma)
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
