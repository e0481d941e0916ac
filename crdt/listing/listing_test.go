package listing_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"coop/crdt/document"
	"coop/crdt/listing"
	"coop/crdt/record"
)

func TestCreateShowsDraft(t *testing.T) {
	w := newWorld(t)
	id := w.newListing(rye())
	want := listing.Listing{
		ID: id, Owner: member(anaHome), Kind: listing.Offer, Status: listing.Open, Title: "Rye bread", Text: "Baked on Friday.\n\nBring a bag.", Category: "Bread & Bakery",
		Tags: []string{"organic", "fresh"}, Price: listing.Price{Kind: listing.PriceAmount, From: "2.20", Unit: "euro", Per: "kg"}, Quantity: "20 kg", Place: "Willow Street", Expires: 1000,
	}
	got := w.show(id)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	d := got.Draft()
	if !reflect.DeepEqual(d, rye()) {
		t.Errorf("got draft %+v, want %+v", d, rye())
	}
	d.Tags[0] = "changed"
	if got.Tags[0] != "organic" {
		t.Error("a change to the draft changes the listing")
	}
}

func TestCreateOps(t *testing.T) {
	tests := []struct {
		name  string
		draft listing.Draft
		want  []document.Op
	}{
		{"smallest", listing.Draft{Kind: listing.Need, Title: "Ladder"}, []document.Op{document.Put("kind", "need"), document.Put("title", "Ladder")}},
		{"cleaned", listing.Draft{Kind: " OFFER ", Title: " a \n\t b\x1b[2J ", Text: "x\r\ny\rz\x00\n", Tags: []string{" a  b ", "", "A B", "c"}, Price: "4,50 euro per  kg", Status: "Open "}, []document.Op{
			document.Put("kind", "offer"), document.Put("title", "a b[2J"), document.Splice("text", 0, 0, "x\ny\nz\n"), document.Put("price", "4.50 euro/kg"),
			document.ListInsert("tags", 0, "a b"), document.ListInsert("tags", 1, "c"),
		}},
		{"closed", listing.Draft{Kind: listing.Need, Title: "x", Status: listing.Closed, Expires: listing.MaxExpires}, []document.Op{
			document.Put("kind", "need"), document.Put("title", "x"), document.Put("status", "closed"), document.PutInt("expires", listing.MaxExpires),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.draft.Create()
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestCreateErrors(t *testing.T) {
	tests := []struct {
		name   string
		change func(*listing.Draft)
		want   string
	}{
		{"no kind", func(d *listing.Draft) { d.Kind = "" }, `kind: "" is neither offer nor need: write one of them`},
		{"other kind", func(d *listing.Draft) { d.Kind = "wish" }, `kind: "wish" is neither offer nor need`},
		{"other status", func(d *listing.Draft) { d.Status = "gone" }, `status: "gone" is neither open nor closed`},
		{"no title", func(d *listing.Draft) { d.Title = " \n" }, "title: it is empty: say in a few words what it is about"},
		{"long title", func(d *listing.Draft) { d.Title = long(listing.MaxTitleLen + 1) }, "title: it has 201 characters, more than 200: shorten it"},
		{"long text", func(d *listing.Draft) { d.Text = long(listing.MaxTextLen + 1) }, "text: it has 10001 characters"},
		{"long category", func(d *listing.Draft) { d.Category = long(listing.MaxCategoryLen + 1) }, "category: it has 101 characters"},
		{"long price", func(d *listing.Draft) { d.Price = long(listing.MaxPriceLen + 1) }, "price: it has 201 characters"},
		{"long quantity", func(d *listing.Draft) { d.Quantity = long(listing.MaxQuantityLen + 1) }, "quantity: it has 101 characters"},
		{"long place", func(d *listing.Draft) { d.Place = long(listing.MaxPlaceLen + 1) }, "place: it has 201 characters"},
		{"long tag", func(d *listing.Draft) { d.Tags = []string{"a", long(listing.MaxTagLen + 1)} }, `tags: "` + long(61) + `": it has 61 characters`},
		{"tag with a comma", func(d *listing.Draft) { d.Tags = []string{"a,b"} }, `tags: "a,b": it has a comma: make two tags of it`},
		{"many tags", func(d *listing.Draft) { d.Tags = strings.Split(numbers(21), ",") }, "tags: there are 21, more than 20: leave some out"},
		{"bad price", func(d *listing.Draft) { d.Price = "4.50" }, `price: "4.50" has no unit`},
		{"expires before 1970", func(d *listing.Draft) { d.Expires = -1 }, "expires: it is not in the years 1970 to 9999"},
		{"expires after 9999", func(d *listing.Draft) { d.Expires = listing.MaxExpires + 1 }, "expires: it is not in the years 1970 to 9999"},
		{"title not UTF-8", func(d *listing.Draft) { d.Title = "Cr\xe8me" }, "title: it is not UTF-8 text: type it again"},
		{"text not UTF-8", func(d *listing.Draft) { d.Text = "Cr\xe8me" }, "text: it is not UTF-8 text"},
		{"tag not UTF-8", func(d *listing.Draft) { d.Tags = []string{"Cr\xe8me"} }, `tags: "Cr\xe8me": it is not UTF-8 text`},
		{"several", func(d *listing.Draft) { d.Title, d.Price, d.Expires = "", "-1 euro", -1 },
			`title: it is empty: say in a few words what it is about; price: "-1" is below zero: write an amount above zero; expires: it is not in the years`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := rye()
			tt.change(&d)
			ops, err := d.Create()
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || ops != nil {
				t.Fatalf("got %v, %v, want error %q", ops, err, tt.want)
			}
			if _, ok := err.(listing.Invalid); !ok {
				t.Errorf("error is a %T", err)
			}
		})
	}
}

// The largest listing there is fits a record, when made and when changed, and
// the schema takes every field at its limit and no more.
func TestLimits(t *testing.T) {
	draft := func(r string) listing.Draft {
		d := listing.Draft{
			Kind: listing.Offer, Status: listing.Closed, Expires: listing.MaxExpires,
			Title: strings.Repeat(r, listing.MaxTitleLen), Text: strings.Repeat(r, listing.MaxTextLen), Category: strings.Repeat(r, listing.MaxCategoryLen),
			Price: strings.Repeat(r, listing.MaxPriceLen), Quantity: strings.Repeat(r, listing.MaxQuantityLen), Place: strings.Repeat(r, listing.MaxPlaceLen),
		}
		for i := range listing.MaxTags {
			d.Tags = append(d.Tags, strings.Repeat(r, listing.MaxTagLen-1)+string(rune('a'+i)))
		}
		return d
	}
	w := newWorld(t)
	id := w.newListing(draft("😀"))
	if got := w.show(id).Draft(); !reflect.DeepEqual(got, draft("😀")) {
		t.Errorf("got %+v", got)
	}
	other := draft("🍞")
	other.Kind, other.Status, other.Expires = listing.Need, listing.Open, 1
	// Every other character of the text stays.
	other.Text = strings.Repeat("😀🍞", listing.MaxTextLen/2)
	ops, err := listing.Edit(w.value(id), other)
	w.apply(id, ops, err)
	if got := w.show(id).Draft(); !reflect.DeepEqual(got, other) {
		t.Errorf("after the edit: got %+v", got)
	}
	for _, f := range listing.Schema().Fields {
		if f.Write != document.ByOwner {
			t.Errorf("%s may be written by others than the owner", f.Name)
		}
		var op document.Op
		switch f.Type {
		case document.String:
			op = document.Put(f.Name, strings.Repeat("x", f.MaxLen+1))
		case document.Text:
			op = document.Splice(f.Name, 0, 0, "x")
		case document.StringList:
			op = document.ListInsert(f.Name, 0, "x")
		default:
			continue
		}
		if err := w.edit(anaHome, id, []document.Op{op}); err == nil {
			t.Errorf("%s takes more than its limit", f.Name)
		}
	}
}

func TestOnlyOwnersDevicesWrite(t *testing.T) {
	w := newWorld(t)
	id := w.newListing(rye())
	about, _ := listing.NewComment(id, "How much?")
	comment := w.create(anaHome, listing.CommentSchemaName, about)
	for _, tt := range []struct {
		doc record.ID
		op  document.Op
	}{
		{id, document.Put("kind", "need")}, {id, document.Put("title", "x")}, {id, document.Splice("text", 0, 0, "x")}, {id, document.Put("category", "x")},
		{id, document.ListInsert("tags", 0, "x")}, {id, document.Put("price", "x")}, {id, document.Put("quantity", "x")}, {id, document.Put("place", "x")},
		{id, document.PutInt("expires", 5)}, {id, document.Put("status", "closed")},
		{comment, document.Put("about", id.String())}, {comment, document.Splice("text", 0, 0, "x")},
	} {
		if err := w.edit(bo, tt.doc, []document.Op{tt.op}, w.tips[w.keys[anaHome].Public()]); err == nil {
			t.Errorf("another member changes %s", tt.op.Field)
		}
		if err := w.edit(anaAway, tt.doc, []document.Op{tt.op}, w.tips[w.keys[anaHome].Public()]); err != nil {
			t.Errorf("the owner's other device may not change %s: %v", tt.op.Field, err)
		}
	}
}

func TestEditOps(t *testing.T) {
	tests := []struct {
		name   string
		change func(*listing.Draft)
		want   []document.Op
	}{
		{"nothing", func(d *listing.Draft) {}, nil},
		{"nothing but spelling", func(d *listing.Draft) {
			d.Title, d.Price, d.Kind, d.Status, d.Text = " Rye  bread", "2,20 euro per kg", "Offer", "", "Baked on Friday.\r\n\r\nBring a bag."
		}, nil},
		{"kind", func(d *listing.Draft) { d.Kind = listing.Need }, []document.Op{document.Put("kind", "need")}},
		{"title", func(d *listing.Draft) { d.Title = "Oat bread" }, []document.Op{document.Put("title", "Oat bread")}},
		{"category away", func(d *listing.Draft) { d.Category = "" }, []document.Op{document.Put("category", "")}},
		{"price", func(d *listing.Draft) { d.Price = "Gift" }, []document.Op{document.Put("price", "gift")}},
		{"price away", func(d *listing.Draft) { d.Price = "" }, []document.Op{document.Put("price", "")}},
		{"quantity", func(d *listing.Draft) { d.Quantity = "10 kg" }, []document.Op{document.Put("quantity", "10 kg")}},
		{"place", func(d *listing.Draft) { d.Place = "Elm Street" }, []document.Op{document.Put("place", "Elm Street")}},
		{"expiry away", func(d *listing.Draft) { d.Expires = 0 }, []document.Op{document.PutInt("expires", 0)}},
		{"status", func(d *listing.Draft) { d.Status = listing.Closed }, []document.Op{document.Put("status", "closed")}},
		{"one word of the text", func(d *listing.Draft) { d.Text = "Baked on Monday.\n\nBring a bag." }, []document.Op{document.Splice("text", 9, 3, "Mon")}},
		{"a tag more", func(d *listing.Draft) { d.Tags = []string{"new", "organic", "fresh"} }, []document.Op{document.ListInsert("tags", 2, "new")}},
		{"a tag less", func(d *listing.Draft) { d.Tags = []string{"fresh"} }, []document.Op{document.ListDelete("tags", 0)}},
		{"no tags", func(d *listing.Draft) { d.Tags = nil }, []document.Op{document.ListDelete("tags", 1), document.ListDelete("tags", 0)}},
		{"another tag", func(d *listing.Draft) { d.Tags = []string{"organic", "Fresh"} }, []document.Op{document.ListDelete("tags", 1), document.ListInsert("tags", 1, "Fresh")}},
		{"tags in another order", func(d *listing.Draft) { d.Tags = []string{"fresh", "organic"} }, nil},
		{"several", func(d *listing.Draft) { d.Place, d.Expires = "", 5 }, []document.Op{document.Put("place", ""), document.PutInt("expires", 5)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			v := w.value(w.newListing(rye()))
			d := rye()
			tt.change(&d)
			got, err := listing.Edit(v, d)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestEditErrors(t *testing.T) {
	w := newWorld(t)
	v := w.value(w.newListing(rye()))
	d := rye()
	d.Title, d.Price = "", "1,500 euro"
	ops, err := listing.Edit(v, d)
	want := `title: it is empty: say in a few words what it is about; price: "1,500" may be 1500 or 1.500: write 1500 for the first, 1.50 for the second`
	if ops != nil || err == nil || err.Error() != want {
		t.Errorf("got %v, %v, want %q", ops, err, want)
	}
}

// Whatever stands in a document is shown, and what was not touched does not
// keep its owner from editing the rest.
func TestOddDocuments(t *testing.T) {
	text := func(s string) listing.Price { return listing.Price{Kind: listing.PriceText, Text: s} }
	tests := []struct {
		name string
		ops  []document.Op
		want listing.Listing
	}{
		{"nothing at all", nil, listing.Listing{}},
		{"unknown kind and status", []document.Op{document.Put("kind", "wish"), document.Put("status", "paused")}, listing.Listing{}},
		{"lines that are several", []document.Op{document.Put("title", " a\nb\x1b[2J "), document.Put("category", "\t"), document.Put("quantity", "1\u00852"), document.Put("place", "x  y")},
			listing.Listing{Title: "a b[2J", Quantity: "1 2", Place: "x y"}},
		{"text as it is", []document.Op{document.Splice("text", 0, 0, " a\r\n\x07 b ")}, listing.Listing{Text: " a\r\n\x07 b "}},
		{"price without a unit", []document.Op{document.Put("price", "4.50")}, listing.Listing{Price: text("4.50")}},
		{"price below zero", []document.Op{document.Put("price", "-1 euro")}, listing.Listing{Price: text("-1 euro")}},
		{"price on two lines", []document.Op{document.Put("price", "-1\n€")}, listing.Listing{Price: text("-1 €")}},
		{"price in another spelling", []document.Op{document.Put("price", "1,50  euro")}, listing.Listing{Price: listing.Price{Kind: listing.PriceAmount, From: "1.50", Unit: "euro"}}},
		{"expiry below zero", []document.Op{document.PutInt("expires", -5)}, listing.Listing{}},
		{"expiry after all years", []document.Op{document.PutInt("expires", listing.MaxExpires+1)}, listing.Listing{}},
		{"last expiry", []document.Op{document.PutInt("expires", listing.MaxExpires)}, listing.Listing{Expires: listing.MaxExpires}},
		{"tags twice, empty, with spaces", []document.Op{document.ListInsert("tags", 0, "Bread"), document.ListInsert("tags", 1, " "), document.ListInsert("tags", 2, " bréad "), document.ListInsert("tags", 3, "a,b")},
			listing.Listing{Tags: []string{"Bread", "a,b"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.create(anaHome, listing.SchemaName, tt.ops)
			tt.want.ID, tt.want.Owner, tt.want.Kind, tt.want.Status = id, member(anaHome), listing.Offer, listing.Open
			got := w.show(id)
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			d := got.Draft()
			if ops, err := listing.Edit(w.value(id), d); err != nil || ops != nil {
				t.Errorf("untouched: got %v, %v", ops, err)
			}
			if ops, err := listing.Close(w.value(id)); err != nil || !slices.Equal(ops, []document.Op{document.Put("status", "closed")}) {
				t.Errorf("close: got %v, %v", ops, err)
			}
			d.Tags = append(d.Tags, "new")
			ops, err := listing.Edit(w.value(id), d)
			if slices.Contains(d.Tags, "a,b") {
				return // a tag that nobody can type
			}
			w.apply(id, ops, err)
			if got := w.show(id).Tags; !slices.Equal(got, d.Tags) {
				t.Errorf("got tags %q, want %q", got, d.Tags)
			}
		})
	}
}

// What two devices of a member change at the same time is all there afterwards.
func TestEditsAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	id := w.newListing(rye())
	v := w.value(id)
	home, away := rye(), rye()
	home.Title, home.Text, home.Tags = "Oat bread", "Baked on Monday.\n\nBring a bag.", []string{"fresh", "oat", "warm"}
	away.Price, away.Text, away.Tags = "3 euro/kg", "Baked on Friday.\n\nBring two bags.", []string{"organic", "fresh", "warm", "vegan"}
	for device, d := range map[int]listing.Draft{anaHome: home, anaAway: away} {
		ops, err := listing.Edit(v, d)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.edit(device, id, ops); err != nil {
			t.Fatal(err)
		}
	}
	got := w.show(id)
	if got.Title != "Oat bread" || got.Price.String() != "3 euro/kg" || got.Text != "Baked on Monday.\n\nBring two bags." {
		t.Errorf("got %+v", got)
	}
	if tags := slices.Sorted(slices.Values(got.Tags)); !slices.Equal(tags, []string{"fresh", "oat", "vegan", "warm"}) {
		t.Errorf("got tags %q", got.Tags)
	}
	d := got.Draft()
	d.Tags = []string{"fresh"}
	ops, err := listing.Edit(w.value(id), d)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.edit(anaHome, id, ops, w.tips[w.keys[anaAway].Public()]); err != nil {
		t.Fatal(err)
	}
	if tags := w.show(id).Tags; !slices.Equal(tags, []string{"fresh"}) {
		t.Errorf("got tags %q after all others went", tags)
	}
}

// Any draft becomes any other by the ops of Edit, and then there is nothing to edit.
func TestEditReachesDraft(t *testing.T) {
	sorted := func(d listing.Draft) listing.Draft {
		d.Tags = slices.Sorted(slices.Values(d.Tags))
		return d
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		id := w.newListing(genDraft().Draw(t, "first"))
		for i := range 3 {
			d := genDraft().Draw(t, fmt.Sprint("draft ", i))
			ops, err := listing.Edit(w.value(id), d)
			if err != nil {
				t.Fatalf("edit: %v", err)
			}
			if len(ops) > 0 {
				w.apply(id, ops, nil)
			}
			if got := w.show(id).Draft(); !reflect.DeepEqual(sorted(got), sorted(d)) {
				t.Fatalf("got %+v, want %+v", got, d)
			}
			if ops, err := listing.Edit(w.value(id), d); err != nil || ops != nil {
				t.Fatalf("edited again: got %v, %v", ops, err)
			}
		}
	})
}

func TestRenewCloseReopen(t *testing.T) {
	w := newWorld(t)
	id := w.newListing(rye())
	fails := func(want string) func([]document.Op, error) {
		return func(ops []document.Op, err error) {
			t.Helper()
			if ops != nil || err == nil || err.Error() != want {
				t.Errorf("got %v, %v, want error %q", ops, err, want)
			}
		}
	}
	does := func(want document.Op) func([]document.Op, error) {
		return func(ops []document.Op, err error) {
			t.Helper()
			if err != nil || !slices.Equal(ops, []document.Op{want}) {
				t.Errorf("got %v, %v, want %v", ops, err, want)
			}
			w.apply(id, ops, err)
		}
	}
	fails("the listing holds until 1970-01-01T00:00:01Z already: choose a later date")(listing.Renew(w.value(id), 1000))
	fails("expires: it is not in the years 1970 to 9999: write for example 2027-01-31")(listing.Renew(w.value(id), listing.MaxExpires+1))
	does(document.PutInt("expires", 1001))(listing.Renew(w.value(id), 1001))
	fails("the listing is open already")(listing.Reopen(w.value(id)))
	does(document.Put("status", "closed"))(listing.Close(w.value(id)))
	fails("the listing is closed already")(listing.Close(w.value(id)))
	fails("the listing is closed: reopen it first")(listing.Renew(w.value(id), 2000))
	does(document.Put("status", "open"))(listing.Reopen(w.value(id)))
	want := rye()
	want.Expires = 1001
	if got := w.show(id).Draft(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestExpired(t *testing.T) {
	for _, tt := range []struct {
		expires, now int64
		want         bool
	}{{0, 5, false}, {5, 4, false}, {5, 5, true}, {5, 6, true}} {
		if got := (listing.Listing{Expires: tt.expires}).Expired(tt.now); got != tt.want {
			t.Errorf("expires %d at %d: got %v", tt.expires, tt.now, got)
		}
	}
}

func TestComments(t *testing.T) {
	w := newWorld(t)
	about := w.newListing(rye())
	ops, err := listing.NewComment(about, "How *much*?\r\n")
	if err != nil {
		t.Fatal(err)
	}
	id := w.create(bo, listing.CommentSchemaName, ops)
	want := listing.Comment{ID: id, Owner: member(bo), About: about, Text: "How *much*?\n"}
	if got := listing.CommentFromValue(id, w.value(id)); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	edit := func(text string) ([]document.Op, error) { return listing.EditComment(w.value(id), text) }
	if ops, err := edit("How *many*?\n"); err != nil || len(ops) != 1 || ops[0].Field != "text" || ops[0].Verb != document.VerbSplice {
		t.Errorf("got %v, %v", ops, err)
	} else if err := w.edit(bo, id, ops); err != nil {
		t.Error(err)
	}
	want.Text = "How *many*?\n"
	if got := listing.CommentFromValue(id, w.value(id)); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if ops, err := edit("How *many*?\n"); ops != nil || err != nil {
		t.Errorf("got %v, %v for the same text", ops, err)
	}
	if _, err := edit(long(listing.MaxCommentLen)); err != nil {
		t.Errorf("longest comment: %v", err)
	}
	for text, want := range map[string]string{
		" \n":                           "text: it is empty: write what you want to say",
		"\xff":                          "text: it is not UTF-8 text: type it again",
		long(listing.MaxCommentLen + 1): "text: it has 10001 characters, more than 10000: shorten it",
	} {
		if ops, err := edit(text); ops != nil || err == nil || err.Error() != want {
			t.Errorf("got %v, %v, want %q", ops, err, want)
		}
		if ops, err := listing.NewComment(about, text); ops != nil || err == nil || err.Error() != want {
			t.Errorf("new: got %v, %v, want %q", ops, err, want)
		}
	}
	odd := w.create(bo, listing.CommentSchemaName, []document.Op{document.Put("about", "the bread")})
	if got, want := listing.CommentFromValue(odd, w.value(odd)), (listing.Comment{ID: odd, Owner: member(bo)}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Listings and comments have one encoding, as the rows of a table must.
func TestEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		l := w.show(w.newListing(genDraft().Draw(t, "draft")))
		var again listing.Listing
		if err := record.Unmarshal(record.Marshal(l), &again); err != nil {
			t.Fatalf("listing: %v", err)
		}
		if string(record.Marshal(again)) != string(record.Marshal(l)) {
			t.Fatalf("got %+v, want %+v", again, l)
		}
	})
	c := listing.Comment{ID: record.ID{1}, Owner: record.ID{2}, About: record.ID{3}, Text: "x"}
	var again listing.Comment
	if err := record.Unmarshal(record.Marshal(c), &again); err != nil || again != c {
		t.Errorf("got %+v, %v, want %+v", again, err, c)
	}
}
