// Command coop is a co-op in a box: it runs one member's node and is how that
// member talks to it from a terminal. This package is the only place where the
// parts are wired together, and where flags, the environment and exit statuses
// are known.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is set by the Makefile.
var version = "unknown"

func main() { os.Exit(run()) }

func run() int {
	log.SetOutput(io.Discard) // libraries that still use it speak of peers, of whom the node reports
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	t := newTerminal(os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	return execute(ctx, t, typed(os.Args[1:]))
}

// execute runs one command and returns its exit status.
func execute(ctx context.Context, t *terminal, args []string) int {
	root := newRoot(t)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	t.fail(err)
	return exitStatus(err)
}

func newRoot(t *terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "coop",
		Short: "A co-op in a box: listings, decisions and money on its members' own computers",
		Long: `coop runs your co-op on its members' own computers, with no server.

Start one:  coop found --name "Willow Street" --as Ana
Run it:     coop up
Invite:     coop invite
Join one:   coop join - --as Bo`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "" && strings.ContainsAny(unknown.GetSpecifiedName(), "0123456789") {
			err = usage("\"-%s\" is read as a flag: an amount is written without a minus, such as 12.50", unknown.GetSpecifiedShortnames())
		}
		return hintedError{usage("%v", err), "see: " + c.CommandPath() + " --help"}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&t.home, "home", "", "folder of this co-op on this computer (default: $COOP_HOME, else ~/.local/share/coop/default)")
	flags.BoolVar(&t.json, "json", false, "answer in JSON, versioned")
	flags.BoolVar(&t.quiet, "quiet", false, "answer with ids only")
	flags.StringVar(&t.once, "once", "", "any word: said again with the same word, a command is not done again")
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "Begin:"},
		&cobra.Group{ID: "people", Title: "People:"},
		&cobra.Group{ID: "trade", Title: "Offers and money:"},
		&cobra.Group{ID: "decide", Title: "Decisions:"},
		&cobra.Group{ID: "node", Title: "This node:"},
	)
	root.AddCommand(
		foundCmd(t), upCmd(t), joinCmd(t), inviteCmd(t),
		memberCmd(t), deviceCmd(t), wordsCmd(t),
		listingCmd(t), commentCmd(t), payCmd(t), requestCmd(t), acceptCmd(t), declineCmd(t), cancelCmd(t), ledgerCmd(t),
		proposalCmd(t), voteCmd(t), tellersCmd(t),
		statusCmd(t), clockCmd(t), logCmd(t), troubleCmd(t), peersCmd(t), syncCmd(t), exportCmd(t), verifyCmd(t), downCmd(t), demoCmd(t), manCmd(root), exitCodesCmd(),
	)
	root.SetHelpCommand(helpCmd(root))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	knowsItsVerbs(root)
	for _, c := range root.Commands() {
		knowsItsVerbs(c)
	}
	return root
}

// isGroup marks a command that does nothing but gather others.
const isGroup = "group"

// knowsItsVerbs makes an unknown verb of a command wrong usage; cobra would show
// the help and report success.
func knowsItsVerbs(c *cobra.Command) {
	if c.Runnable() || !c.HasSubCommands() {
		return
	}
	c.Annotations = map[string]string{isGroup: ""}
	c.Args = cobra.ArbitraryArgs
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(c *cobra.Command, a []string) error {
		if len(a) > 0 {
			hint := "see: " + c.CommandPath() + " --help"
			if like := c.SuggestionsFor(a[0]); len(like) > 0 {
				hint = "did you mean: " + c.CommandPath() + " " + like[0]
			}
			return hintedError{usage("unknown command %q for %q", a[0], c.CommandPath()), hint}
		}
		return c.Help()
	}
}

// helpCmd replaces cobra's, which reports success for what there is not.
func helpCmd(root *cobra.Command) *cobra.Command {
	return &cobra.Command{Use: "help [COMMAND]", Short: "What a command does", RunE: func(_ *cobra.Command, a []string) error {
		c, rest, err := root.Find(a)
		if err != nil || len(rest) > 0 {
			return hintedError{usage("there is no command %q", strings.Join(a, " ")), "see: coop --help"}
		}
		return c.Help()
	}}
}

// args wraps cobra's check of arguments so that a wrong number is wrong usage, and
// says in plain words what is wrong with it.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		if check(c, a) == nil {
			return nil
		}
		wrong := usage("something is missing after `%s`", strings.Join(append([]string{c.CommandPath()}, a...), " "))
		for fits := range a {
			if check(c, a[:fits]) == nil {
				wrong = usage("`%s` takes no %q here", c.CommandPath(), a[fits])
			}
		}
		return hintedError{wrong, "usage: " + usageLine(c)}
	}
}

// atMostOne makes it wrong usage to give several of these flags.
func atMostOne(c *cobra.Command, flags ...string) {
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		var given []string
		for _, f := range flags {
			if c.Flags().Changed(f) {
				given = append(given, "--"+f)
			}
		}
		if len(given) > 1 {
			return hintedError{usage("%s do not go together: say one of them", strings.Join(given, " and ")), "usage: " + usageLine(c)}
		}
		return nil
	}
}

// usageLine is how a command is typed.
func usageLine(c *cobra.Command) string { return strings.TrimSuffix(c.UseLine(), " [flags]") }
