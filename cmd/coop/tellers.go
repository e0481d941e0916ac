package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"coop/ui/api"
)

func tellersCmd(t *terminal) *cobra.Command {
	c := &cobra.Command{
		Use: "tellers", Short: "Who keeps the minutes, and what to do when they are gone", GroupID: "decide", Args: args(cobra.NoArgs),
		Long: `Shows the tellers, when each last wrote something that is here, and the re-seatings
there were. Tellers are changed by a proposal: coop proposal open --effect
tellers:NAME,NAME. If so many are gone for good that nothing gets into the minutes, two
thirds of the members put others in their place: coop tellers replace.`,
		RunE: func(c *cobra.Command, _ []string) error {
			var out api.Tellers
			if err := t.get(c.Context(), "/v1/tellers", &out); err != nil {
				return err
			}
			return t.answer(out, func() { t.tellers(out) })
		},
	}
	c.AddCommand(tellersReplaceCmd(t), tellersSignCmd(t))
	return c
}

// whereTeller says whether a teller is there now.
func whereTeller(s api.Teller) string {
	switch {
	case s.Here || s.Connected:
		return "here now"
	case s.Reached:
		return "reached through others"
	}
	return ""
}

func (t *terminal) tellers(out api.Tellers) {
	var rows [][]string
	for _, s := range out.Tellers {
		wrote := "nothing of theirs is here"
		if s.Wrote != nil {
			wrote = t.when(*s.Wrote)
		}
		rows = append(rows, []string{line(s.Member), line(s.Device), wrote, whereTeller(s)})
	}
	t.table([]string{"NAME", "DEVICE", "LAST WROTE", ""}, rows)
	needs := "nothing gets into the minutes without this computer"
	if out.Needs > 1 {
		needs = fmt.Sprintf("%d of them must be able to talk to each other", out.Needs)
	}
	t.note("  %s; %s %s for the minutes", needs, count(out.Waiting, "act"), oneOr(out.Waiting, "waits", "wait"))
	if out.Advice != "" {
		t.note("  advice: %s", line(out.Advice))
	}
	for _, r := range out.Reseatings {
		t.note("! %s", reseated(r))
		for _, id := range r.Took {
			t.note("    %s", t.id(id.String()))
		}
	}
}

// reseated says what a re-seating did.
func reseated(r api.Reseating) string {
	text := fmt.Sprintf("%s signed %s into the tellers' place", people(r.Signed), seats(r.Tellers))
	if len(r.Took) > 0 {
		text += fmt.Sprintf("; that took %s out of the minutes that had been final, to be ordered anew", count(len(r.Took), "act"))
	}
	return text
}

// seats writes tellers for people.
func seats(ts []api.Seat) string {
	var out []string
	for _, s := range ts {
		out = append(out, fmt.Sprintf("%s (%s)", line(s.Member), line(s.Device)))
	}
	return strings.Join(out, ", ")
}

func people(names []string) string { return line(strings.Join(names, ", ")) }

const reseatMeans = "It takes two thirds of the members, and it cannot be undone but by another one. What is in\nthe minutes stays; what waits is minuted by the new tellers. Should the old ones have\nbrought more into the minutes than anybody here knows, that is taken back and ordered\nanew. So first try to reach them. Where more than a third of the members are lost, it cannot\nbe done: those who are left found the co-op anew, coop found --from."

func tellersReplaceCmd(t *terminal) *cobra.Command {
	var yes, force, again bool
	c := &cobra.Command{
		Use: "replace FILE WHO… --yes", Short: "Put others in the tellers' place: make a file that the members sign", Args: args(cobra.MinimumNArgs(2)),
		Long: "Makes FILE, which says that these are the tellers from now on, and signs it. WHO is NAME or\nNAME/DEVICE. Hand FILE from member to member, by a message or on a stick; each says `coop\ntellers sign FILE`. When enough have signed it is done by itself.\n\n" + reseatMeans,
		RunE: func(c *cobra.Command, a []string) error {
			if !yes {
				return usage("this puts %s in the place of the tellers, and you sign it: to do that, say --yes", strings.Join(a[1:], ", "))
			}
			if _, err := os.Lstat(a[0]); err == nil {
				return usage("%s exists: choose another name", a[0])
			}
			if !force && !t.running() {
				// Only a node that runs can look whether the tellers are there.
				return &api.Error{Code: api.CodeUnavailable, Message: "no node runs on this home, so it is not known whether the tellers can be reached", Hint: "start it with `coop up`, give it a minute to find them, and say this again; if you know that they are gone: --force"}
			}
			return t.sign(c.Context(), a[0], "/v1/tellers/replace", api.ReplaceIn{Tellers: a[1:], Force: force, Again: again})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "you mean it, and sign it")
	c.Flags().BoolVar(&force, "force", false, "although the tellers can be reached, or no node runs that could look: they are gone, or in the hands of others")
	againFlag(c, &again)
	return c
}

func tellersSignCmd(t *terminal) *cobra.Command {
	var yes, again bool
	c := &cobra.Command{
		Use: "sign FILE [--yes]", Short: "Sign others into the tellers' place", Args: args(cobra.ExactArgs(1)),
		Long: "Shows what FILE says, and with --yes signs it and writes it back. When enough members have\nsigned it is done by itself.\n\n" + reseatMeans,
		RunE: func(c *cobra.Command, a []string) error {
			file, err := os.ReadFile(a[0])
			if err != nil {
				return usage("%v", err)
			}
			in := api.SignIn{File: file, Again: again}
			if yes {
				return t.sign(c.Context(), a[0], "/v1/tellers/sign", in)
			}
			var out api.Reseat
			if err := t.post(c.Context(), "/v1/tellers/read", in, &out); err != nil {
				return err
			}
			return t.answer(out, func() {
				t.fields("tellers", seats(out.Tellers), "signed", people(out.Signed), "not yet", people(out.Missing), "needs", fmt.Sprintf("%d members", out.Needs))
				t.note("  to sign it, which cannot be taken back: coop tellers sign %s --yes", a[0])
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "sign it")
	againFlag(c, &again)
	return c
}

func againFlag(c *cobra.Command, again *bool) {
	c.Flags().BoolVar(again, "again", false, "although this computer signed other tellers: nobody will finish that")
}

// sign has the node sign and writes what it signed to a file, whole, or says that
// it is done. What cannot be written, and so not handed on, is not signed.
func (t *terminal) sign(ctx context.Context, path, url string, in any) error {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)))
	if err != nil {
		return usage("%s cannot be written: %v", path, err)
	}
	defer f.Cleanup()
	var out api.Reseat
	if err := t.post(ctx, url, in, &out); err != nil {
		return err
	}
	if _, err := f.Write(out.File); err != nil {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return t.answer(out, func() {
		if out.Done {
			t.note("✓ enough have signed: the tellers are %s", seats(out.Tellers))
			return
		}
		t.note("✓ signed; %d of %d members have: %s", len(out.Signed), out.Needs, people(out.Signed))
		t.note("  next: hand %s to %s of those who have not signed yet (%s), who %s: coop tellers sign %[1]s",
			path, count(out.Needs-len(out.Signed), "member"), people(out.Missing), oneOr(out.Needs-len(out.Signed), "says", "say"))
	})
}
