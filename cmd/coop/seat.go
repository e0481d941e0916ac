package main

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"unicode"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"coop/ui/api"
)

func deviceRevokeCmd(t *terminal) *cobra.Command {
	var in api.SeatIn
	var words string
	c := &cobra.Command{
		Use: "revoke NAME [--seat-to OTHER] [--yes]", Short: "Take a lost or stolen computer out", Args: args(cobra.ExactArgs(1)),
		Long: `Takes a computer of yours out: from there on nothing it signs counts. One that
keeps the minutes passes its seat to another computer of yours in the same step.
Where that seat is not this computer's own, it takes your 24 words, if they are
not on this computer. The computer on which you type this is taken out only with
--yes.`,
		Example: "coop device revoke laptop --seat-to phone --words -",
		RunE: func(c *cobra.Command, a []string) error {
			done := "revoked " + a[0]
			if in.SeatTo != "" {
				done += "; " + in.SeatTo + " keeps the minutes"
			}
			return t.seat(c, words, "/v1/devices/"+url.PathEscape(a[0])+"/revoke", in, done)
		},
	}
	c.Flags().StringVar(&in.SeatTo, "seat-to", "", "the computer of yours that keeps the minutes from now on")
	c.Flags().BoolVar(&in.Here, "yes", false, "you mean it, even if it is this very computer")
	wordsFlag(c, &words, "words")
	return c
}

func deviceSeatCmd(t *terminal) *cobra.Command {
	var words string
	c := &cobra.Command{
		Use: "seat NAME", Short: "Let another computer of yours keep the minutes", Args: args(cobra.ExactArgs(1)),
		Long: `Passes your teller's seat to another computer of yours. The computer that has
the seat can do so by itself; from another it takes your 24 words, if they are
not on that one.`,
		RunE: func(c *cobra.Command, a []string) error {
			return t.seat(c, words, "/v1/devices/"+url.PathEscape(a[0])+"/seat", api.SeatIn{}, a[0]+" keeps the minutes")
		},
	}
	wordsFlag(c, &words, "words")
	return c
}

func (t *terminal) seat(c *cobra.Command, words, path string, in api.SeatIn, done string) (err error) {
	if in.Words, err = t.wordsFrom(words); err != nil {
		return err
	}
	return t.make(c.Context(), path, in, done)
}

func wordsFlag(c *cobra.Command, words *string, name string) {
	of := map[string]string{"old-words": " of before: of the co-op that this one goes on from, or that you left"}[name]
	c.Flags().StringVar(words, name, "", "file with your 24 words"+of+"; - asks for them, or reads standard input")
}

// wordsInPhrase is how many words are read from a person who types them.
const wordsInPhrase = 24

// wordsFrom reads the 24 words from a file, or with "-" from standard input: as
// many lines as they take.
func (t *terminal) wordsFrom(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	in := t.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", usage("%v", err)
		}
		defer f.Close()
		in = f
	} else if f, ok := t.in.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		fmt.Fprintln(t.err, "Type your 24 words, in their order, on one line or more:")
	}
	text, n := "", 0
	for lines := bufio.NewScanner(io.LimitReader(in, 1<<16)); n < wordsInPhrase && lines.Scan(); {
		text += lines.Text() + "\n"
		n += len(strings.FieldsFunc(lines.Text(), func(c rune) bool { return !unicode.IsLetter(c) }))
	}
	if n == 0 {
		return "", usage("there are no words in %s", map[bool]string{true: "standard input", false: file}[file == "-"])
	}
	return text, nil
}
