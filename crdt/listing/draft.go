package listing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"coop/crdt/document"
	"coop/crdt/record"
	"coop/crdt/text"
)

// Draft is a listing as a person types it.
type Draft struct {
	Kind     Kind
	Title    string
	Text     string // Markdown
	Category string
	Tags     []string
	Price    string // read by ParsePrice
	Quantity string
	Place    string
	Expires  int64  // unix milliseconds, 0: never
	Status   Status // empty: open
	Code     string // by which its list names it: an article number
	List     string // the price list it is of
}

// FieldError is what is wrong with one field of a draft, and what to do.
type FieldError struct{ Field, Reason string }

func (e FieldError) Error() string { return e.Field + ": " + e.Reason }

// Invalid is everything that is wrong with a draft, one error a field.
type Invalid []FieldError

func (e Invalid) Error() string {
	all := make([]string, len(e))
	for i, f := range e {
		all[i] = f.Error()
	}
	return strings.Join(all, "; ")
}

// Draft returns l as a person would have typed it.
func (l Listing) Draft() Draft {
	return Draft{
		Kind: l.Kind, Title: l.Title, Text: l.Text, Category: l.Category, Tags: slices.Clone(l.Tags),
		Price: l.Price.String(), Quantity: l.Quantity, Place: l.Place, Expires: l.Expires, Status: l.Status,
		Code: l.Code, List: l.List,
	}
}

// Create returns the ops of a new listing. The error is Invalid.
func (d Draft) Create() ([]document.Op, error) {
	d, bad := d.check(nil)
	if bad != nil {
		return nil, bad
	}
	return d.ops(Draft{Status: Open}, nil), nil
}

// Edit returns the ops that turn the listing whose document is v into d, none
// if they are equal. Only what differs is checked and written, so a listing with
// a field that nobody could type can still be edited. The error is Invalid.
func Edit(v document.Value, d Draft) ([]document.Op, error) {
	was := FromValue(record.ID{}, v).Draft()
	d, bad := d.check(&was)
	if bad != nil {
		return nil, bad
	}
	return d.ops(was, v.List("tags")), nil
}

// Renew returns the ops that let an open listing hold until a later moment, in
// unix milliseconds.
func Renew(v document.Value, expires int64) ([]document.Op, error) {
	d := FromValue(record.ID{}, v).Draft()
	switch {
	case d.Status == Closed:
		return nil, errors.New("the listing is closed: reopen it first")
	case expires <= d.Expires:
		return nil, fmt.Errorf("the listing holds until %s already: choose a later date", formatTime(d.Expires))
	}
	d.Expires = expires
	return Edit(v, d)
}

// Close returns the ops that close an open listing.
func Close(v document.Value) ([]document.Op, error) { return setStatus(v, Closed) }

// Reopen returns the ops that open a closed listing again.
func Reopen(v document.Value) ([]document.Op, error) { return setStatus(v, Open) }

func setStatus(v document.Value, status Status) ([]document.Op, error) {
	d := FromValue(record.ID{}, v).Draft()
	if d.Status == status {
		return nil, fmt.Errorf("the listing is %s already", status)
	}
	d.Status = status
	return Edit(v, d)
}

// NewComment returns the ops of a comment about a record. The error is Invalid.
func NewComment(about record.ID, text string) ([]document.Op, error) {
	ops, err := editComment("", text)
	if err != nil {
		return nil, err
	}
	return append([]document.Op{document.Put("about", about.String())}, ops...), nil
}

// EditComment returns the ops that give the comment whose document is v another
// text, none if it is equal. The error is Invalid.
func EditComment(v document.Value, text string) ([]document.Op, error) {
	return editComment(v.Text("text"), text)
}

func editComment(was, text string) ([]document.Op, error) {
	text, err := read(text, MaxCommentLen, readText)
	if err == nil && strings.TrimSpace(text) == "" {
		err = errors.New("it is empty: write what you want to say")
	}
	if err != nil {
		return nil, Invalid{{"text", err.Error()}}
	}
	return document.Diff("text", was, text), nil
}

// fields are the fields of text: where they stand in a draft, and how what a
// person types becomes what is written.
var fields = []struct {
	name   string
	typ    document.Type
	maxLen int
	at     func(*Draft) *string
	read   func(string) (string, error)
}{
	{"kind", document.String, maxWordLen, func(d *Draft) *string { return (*string)(&d.Kind) }, oneOf(string(Offer), string(Need))},
	{"title", document.String, MaxTitleLen, func(d *Draft) *string { return &d.Title }, readTitle},
	{"text", document.Text, MaxTextLen, func(d *Draft) *string { return &d.Text }, readText},
	{"category", document.String, MaxCategoryLen, func(d *Draft) *string { return &d.Category }, readLine},
	{"price", document.String, MaxPriceLen, func(d *Draft) *string { return &d.Price }, canonicalPrice},
	{"quantity", document.String, MaxQuantityLen, func(d *Draft) *string { return &d.Quantity }, readLine},
	{"place", document.String, MaxPlaceLen, func(d *Draft) *string { return &d.Place }, readLine},
	{"status", document.String, maxWordLen, func(d *Draft) *string { return (*string)(&d.Status) }, oneOf(string(Open), string(Closed))},
	{"code", document.String, MaxCodeLen, func(d *Draft) *string { return &d.Code }, readLine},
	{"list", document.String, MaxListLen, func(d *Draft) *string { return &d.List }, readLine},
}

// read returns what is written of what a person typed.
func read(typed string, maxLen int, as func(string) (string, error)) (string, error) {
	if !utf8.ValidString(typed) {
		return "", errors.New("it is not UTF-8 text: type it again")
	}
	s, err := as(typed)
	if n := utf8.RuneCountInString(s); err == nil && n > maxLen {
		err = fmt.Errorf("it has %d characters, more than %d: shorten it", n, maxLen)
	}
	return s, err
}

func readLine(s string) (string, error) { return clean(s), nil }

// readText is for Markdown: lines end in "\n", what nobody sees goes.
func readText(s string) (string, error) {
	return text.Lines(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)), nil
}

func readTitle(s string) (string, error) {
	if s = clean(s); s == "" {
		return "", errors.New("it is empty: say in a few words what it is about")
	}
	return s, nil
}

func canonicalPrice(s string) (string, error) {
	p, err := ParsePrice(s, "")
	return p.String(), err
}

func readTag(s string) (string, error) {
	if strings.Contains(s, ",") {
		return "", errors.New("it has a comma: make two tags of it")
	}
	return clean(s), nil
}

func oneOf(a, b string) func(string) (string, error) {
	return func(s string) (string, error) {
		if s = strings.ToLower(clean(s)); s != a && s != b {
			return "", fmt.Errorf("%q is neither %s nor %s: write one of them", s, a, b)
		}
		return s, nil
	}
}

// check returns d as it is written, and what is wrong with it. What equals was
// is left as it is.
func (d Draft) check(was *Draft) (_ Draft, bad Invalid) {
	note := func(field string, err error) {
		if err != nil {
			bad = append(bad, FieldError{field, err.Error()})
		}
	}
	if d.Status == "" {
		d.Status = Open
	}
	for _, f := range fields {
		s := f.at(&d)
		if was != nil && *s == *f.at(was) {
			continue
		}
		var err error
		*s, err = read(*s, f.maxLen, f.read)
		note(f.name, err)
	}
	if was == nil || !slices.Equal(d.Tags, was.Tags) {
		var err error
		d.Tags, err = readTags(d.Tags)
		note("tags", err)
	}
	if d.Expires < 0 || d.Expires > MaxExpires {
		note("expires", errors.New("it is not in the years 1970 to 9999: write for example 2027-01-31"))
	}
	return d, bad
}

func readTags(tags []string) ([]string, error) {
	for _, t := range tags {
		if _, err := read(t, MaxTagLen, readTag); err != nil {
			return nil, fmt.Errorf("%q: %w", t, err)
		}
	}
	tags = distinct(tags)
	if len(tags) > MaxTags {
		return nil, fmt.Errorf("there are %d, more than %d: leave some out", len(tags), MaxTags)
	}
	return tags, nil
}

// ops returns what turns was into d; stored are the tags in the document.
func (d Draft) ops(was Draft, stored []string) (ops []document.Op) {
	for _, f := range fields {
		old, s := *f.at(&was), *f.at(&d)
		switch {
		case old == s:
		case f.typ == document.Text:
			ops = append(ops, document.Diff(f.name, old, s)...)
		default:
			ops = append(ops, document.Put(f.name, s))
		}
	}
	if d.Expires != was.Expires {
		ops = append(ops, document.PutInt("expires", d.Expires))
	}
	if slices.Equal(d.Tags, was.Tags) {
		return ops
	}
	// A tag that stays keeps its place, so that tags given elsewhere meanwhile stay too.
	kept := slices.Clone(stored)
	for i, t := range slices.Backward(stored) {
		if !slices.Contains(d.Tags, t) {
			ops = append(ops, document.ListDelete("tags", i))
			kept = slices.Delete(kept, i, i+1)
		}
	}
	for _, t := range d.Tags {
		if !slices.Contains(kept, t) {
			ops = append(ops, document.ListInsert("tags", len(kept), t))
			kept = append(kept, t)
		}
	}
	return ops
}

// formatTime writes unix milliseconds for people and programs.
func formatTime(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }
