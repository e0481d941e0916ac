package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"coop/ui/api"
)

func listingCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{Use: "listing", Short: "What members offer and need", GroupID: "trade", Aliases: []string{"listings"}}
	c.AddCommand(listingAddCmd(t), listingListCmd(t), listingShowCmd(t), listingEditCmd(t), listingImportCmd(t),
		listingVerbCmd(t, "close", "Close a listing of yours", "closed"), listingVerbCmd(t, "reopen", "Open a closed listing of yours again", "reopened"))
	return c
}

// listingFlags are what a listing says; those that were given are sent.
type listingFlags struct {
	offer, need                                                  bool
	title, text, category, tags, price, quantity, place, expires string
}

func (f *listingFlags) bind(c *cobra.Command) {
	fs := c.Flags()
	fs.BoolVar(&f.offer, "offer", false, "you offer it")
	fs.BoolVar(&f.need, "need", false, "you need it")
	fs.StringVar(&f.title, "title", "", "one line")
	fs.StringVar(&f.text, "text", "", "more about it, Markdown; - reads standard input")
	fs.StringVar(&f.category, "category", "", "one word or two")
	fs.StringVar(&f.tags, "tags", "", "words, with commas between them")
	fs.StringVar(&f.price, "price", "", `"4.50 euro/kg", "2-3 hour", "gift", "swap for apples", or any words`)
	fs.StringVar(&f.quantity, "quantity", "", "how much there is")
	fs.StringVar(&f.place, "place", "", "where")
	fs.StringVar(&f.expires, "expires", "", "30d, 12h, a date such as 2027-01-31, or never")
}

// read turns the flags that were given into a request.
func (f *listingFlags) read(t *terminal, c *cobra.Command) (in api.ListingIn, err error) {
	given := func(name string, value *string) *string {
		if c.Flags().Changed(name) {
			return value
		}
		return nil
	}
	if f.offer && f.need {
		return in, usage("say --offer or --need, not both")
	}
	if c.Flags().Changed("text") {
		if f.text, err = t.textFrom(f.text); err != nil {
			return in, err
		}
	}
	in = api.ListingIn{
		Title: given("title", &f.title), Text: given("text", &f.text), Category: given("category", &f.category),
		Price: given("price", &f.price), Quantity: given("quantity", &f.quantity), Place: given("place", &f.place),
	}
	if c.Flags().Changed("tags") {
		tags := strings.FieldsFunc(f.tags, func(r rune) bool { return r == ',' })
		in.Tags = &tags
	}
	if f.offer || f.need {
		kind := map[bool]string{true: "offer", false: "need"}[f.offer]
		in.Kind = &kind
	}
	if c.Flags().Changed("expires") {
		ms, err := t.expiry(f.expires)
		if err != nil {
			return in, err
		}
		in.Expires = &ms
	}
	return in, nil
}

// textFrom returns a text, or what stands on standard input for "-".
func (t *terminal) textFrom(text string) (string, error) {
	if text != "-" {
		return text, nil
	}
	b, err := io.ReadAll(io.LimitReader(t.in, 1<<20))
	return string(b), err
}

// expiry reads when something is over, in unix milliseconds; 0 is never.
func (t *terminal) expiry(s string) (int64, error) {
	if s == "never" {
		return 0, nil
	}
	if d, err := parseDuration(s); err == nil {
		return t.now().Add(d).UnixMilli(), nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		over := day.AddDate(0, 0, 1)
		if over.Before(t.now()) {
			return 0, usage("%s is over already", s)
		}
		return over.UnixMilli(), nil
	}
	return 0, usage("%q is no time: write 30d, 12h, 2027-01-31 or never", s)
}

// parseDuration reads Go's durations, and days.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	d, err := time.ParseDuration(s)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%s is no time from now", s)
	}
	return d, err
}

func listingAddCmd(t *terminal) *cobra.Command {
	var f listingFlags
	c := &cobra.Command{
		Use: "add --offer|--need --title T", Short: "Offer something, or say what you need",
		Example: `coop listing add --offer --title "Brown bread" --price "2.20 euro/piece" --category Bakery`,
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if !f.offer && !f.need {
				return usage("say --offer or --need")
			}
			in, err := f.read(t, c)
			if err != nil {
				return err
			}
			return t.make(c.Context(), "/v1/listings", in, "listed", "coop listing list --mine")
		},
	}
	f.bind(c)
	return c
}

func listingEditCmd(t *terminal) *cobra.Command {
	var f listingFlags
	c := &cobra.Command{
		Use: "edit ID", Short: "Change or renew a listing of yours", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			in, err := f.read(t, c)
			if err != nil {
				return err
			}
			if in == (api.ListingIn{}) {
				return usage("say what to change, such as --price \"5 euro/kg\"")
			}
			return t.make(c.Context(), "/v1/listings/"+url.PathEscape(a[0]), in, "changed")
		},
	}
	f.bind(c)
	return c
}

func listingVerbCmd(t *terminal, verb, short, done string) *cobra.Command {
	return &cobra.Command{Use: verb + " ID", Short: short, Args: args(cobra.ExactArgs(1)), RunE: func(c *cobra.Command, a []string) error {
		return t.make(c.Context(), "/v1/listings/"+url.PathEscape(a[0])+"/"+verb, struct{}{}, done)
	}}
}

func listingListCmd(t *terminal) *cobra.Command {
	var search, category string
	var mine, all bool
	c := &cobra.Command{
		Use: "list", Short: "Show the listings", Aliases: []string{"ls"}, Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			q := url.Values{"search": {search}, "category": {category}}
			if mine {
				q.Set("mine", "1")
			}
			if all {
				q.Set("all", "1")
			}
			var out api.Listings
			if err := t.get(c.Context(), "/v1/listings?"+q.Encode(), &out); err != nil {
				return err
			}
			return t.answer(out, func() {
				var rows [][]string
				for _, l := range out.Listings {
					rows = append(rows, []string{t.id(l.ID.String()), l.Kind, line(l.Title), line(l.Price), line(l.Category), line(l.Owner), t.listingStatus(l)})
				}
				t.table([]string{"ID", "KIND", "TITLE", "PRICE", "CATEGORY", "BY", "STATUS"}, rows)
				t.note("%s", count(len(rows), "listing"))
			})
		},
	}
	c.Flags().StringVar(&search, "search", "", "words that must all be in it")
	c.Flags().StringVar(&category, "category", "", "only this category")
	c.Flags().BoolVar(&mine, "mine", false, "only yours")
	c.Flags().BoolVar(&all, "all", false, "also those that are closed or over")
	return c
}

// listingStatus says whether a listing is open, closed, or over by itself.
func (t *terminal) listingStatus(l api.Listing) string {
	if l.Status == "open" && l.Expires != nil && l.Expires.Before(t.now()) {
		return "over"
	}
	return l.Status
}

func listingShowCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Show one listing", Args: args(cobra.ExactArgs(1)), RunE: func(c *cobra.Command, a []string) error {
		var l struct {
			V int `json:"v"`
			api.Listing
		}
		if err := t.get(c.Context(), "/v1/listings/"+url.PathEscape(a[0]), &l); err != nil {
			return err
		}
		return t.answer(l, func() {
			fmt.Fprintf(t.out, "%s: %s\n", l.Kind, line(l.Title))
			t.fields("price", l.Price, "quantity", l.Quantity, "category", l.Category, "tags", strings.Join(l.Tags, ", "), "place", l.Place,
				"code", l.Code, "list", l.List, "by", l.Owner, "status", t.listingStatus(l.Listing), "expires", t.whenSet(l.Expires), "id", l.ID.String())
			t.text(l.Text)
			t.comments(l.Comments)
		})
	}}
}

// fields prints names and values, leaving out what is empty.
func (t *terminal) fields(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(t.out, "  %-10s %s\n", pairs[i], line(pairs[i+1]))
		}
	}
}

func (t *terminal) whenSet(at *time.Time) string {
	if at == nil {
		return ""
	}
	return t.when(*at)
}

// text prints what a member wrote, a line at a time.
func (t *terminal) text(s string) {
	if s == "" {
		return
	}
	fmt.Fprintln(t.out)
	for l := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		fmt.Fprintln(t.out, "  "+line(l))
	}
}

func (t *terminal) comments(cs []api.Comment) {
	for _, c := range cs {
		fmt.Fprintf(t.out, "\n%s:", line(c.Author))
		t.text(c.Text)
	}
}

func commentCmd(t *terminal) *cobra.Command {
	return &cobra.Command{Use: "comment ID TEXT", Short: "Say something about a listing or a proposal", GroupID: "trade", Args: args(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, a []string) error {
			text, err := t.textFrom(a[1])
			if err != nil {
				return err
			}
			return t.make(c.Context(), "/v1/comments/"+url.PathEscape(a[0]), api.TextIn{Text: text}, "said")
		}}
}
