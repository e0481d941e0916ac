package main

import (
	"net/url"

	"github.com/spf13/cobra"
)

func memberRecoverCmd(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use: "recover WHO", Short: "Make a code for somebody who lost all computers", Args: args(cobra.ExactArgs(1)),
		Long: `Makes a code for a member who has none of their computers any more. Who has the 24
words joins with --words, and is in. Who has not joins without: their new computer makes
new keys and shows a card at the doors of the co-op. The members decide whether it is
them: they propose it with the card, which "coop member waiting" shows, and ask the
person by voice for the four words of their card, which stand on both screens.`,
		Example: "coop member recover Bo",
		RunE: func(c *cobra.Command, a []string) error {
			return t.code(c, "/v1/members/"+url.PathEscape(a[0])+"/recover", struct{}{},
				"on their new computer, with their 24 words: coop join - --as NAME-OF-THE-COMPUTER --words -",
				"without the words, which the members must decide: coop join - --as "+line(a[0]),
				"both while your `coop up` runs here")
		},
	}
}
