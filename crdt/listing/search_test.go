package listing_test

import (
	"fmt"
	"strings"
	"testing"

	"coop/crdt/listing"
)

func TestQueryMatch(t *testing.T) {
	bread := listing.Listing{
		Title: "Crème-brûlée Vollkornbrot", Text: "Baked on **Friday**.\nSupplier: Łódź Straße & Søn", Category: "Bread & Bakery",
		Tags: []string{"organic", "Weizen-Mehl"}, Place: "Willow Street 5", Quantity: "invisible", Price: listing.Price{Kind: listing.PriceGift},
	}
	tests := []struct {
		name, words, category string
		want                  bool
	}{
		{"nothing asked", "", "", true},
		{"white space asked", " \t", " ", true},
		{"title", "vollkornbrot", "", true},
		{"inside a word", "KORN", "", true},
		{"accents in the listing", "creme brulee", "", true},
		{"accents in the query", "Vollkörnbrôt", "", true},
		{"decomposed accents in the query", "cre\u0300me", "", true},
		{"letters Unicode does not take apart", "lodz strasse son", "", true},
		{"the same letters in the query", "Łódź STRAẞE søn", "", true},
		{"text", "friday", "", true},
		{"category as a word", "bakery", "", true},
		{"tag", "ORGANIC", "", true},
		{"place", "willow", "", true},
		{"words in different fields", "willow friday organic", "", true},
		{"one word missing", "willow saturday", "", false},
		{"punctuation around a word", "friday, (organic)!", "", true},
		{"punctuation alone", "- friday", "", true},
		{"punctuation inside a word", "weizen-mehl", "", true},
		{"words do not run over the border of fields", "Vollkornbrotbread", "", false},
		{"quantity is not searched", "invisible", "", false},
		{"price is not searched", "gift", "", false},
		{"category", "", "bread & bakery", true},
		{"category with spaces and accents", "", " Bréad  & BAKERY ", true},
		{"part of a category", "", "bread", false},
		{"category and word", "friday", "Bread & Bakery", true},
		{"category without word", "saturday", "Bread & Bakery", false},
		{"word without category", "friday", "Vegetables", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := listing.NewQuery(tt.words, tt.category).Match(bread); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestFold(t *testing.T) {
	tests := []struct{ s, want string }{
		{"", ""},
		{"ABC z 9", "abc z 9"},
		{"ÀÉÎÕÜ çñ", "aeiou cn"},
		{"Straße STRAẞE", "strasse strasse"},
		{"Æble Œuf Øl Łódź Đ Þ", "aeble oeuf ol lodz d th"},
		{"İstanbul ısı", "istanbul isi"},
		{"ΟΔΌΣ οδός", "οδοσ οδοσ"},
		{"ﬁn ＡＢ", "fin ab"},
		{"Ёлка", "елка"},
	}
	for _, tt := range tests {
		got := listing.Fold(tt.s)
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.s, got, tt.want)
		}
		if again := listing.Fold(got); again != got {
			t.Errorf("%q folded twice is %q", tt.s, again)
		}
	}
}

// What a search costs in a co-op of 10,000 listings, a quarter of them with accents.
func BenchmarkMatch10000(b *testing.B) {
	all := make([]listing.Listing, 10_000)
	for i := range all {
		all[i] = listing.Listing{Title: fmt.Sprintf("Kennemerlandbread %d", i), Text: strings.Repeat("Baked on Friday. ", 20), Category: "Bread & Bakery"}
		if i%4 == 0 {
			all[i].Place = "Café Zoë"
		}
	}
	for b.Loop() {
		q := listing.NewQuery("bread zoe", "")
		found := 0
		for _, l := range all {
			if q.Match(l) {
				found++
			}
		}
		if found != len(all)/4 {
			b.Fatalf("found %d", found)
		}
	}
}
