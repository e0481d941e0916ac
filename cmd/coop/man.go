package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func exitCodesCmd() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit statuses mean", Long: "The exit statuses:\n\n" + exitCodesText, Args: args(cobra.NoArgs),
		Run: func(c *cobra.Command, _ []string) { fmt.Fprint(c.OutOrStdout(), exitCodesText) }}
}

func manCmd(root *cobra.Command) *cobra.Command {
	return &cobra.Command{Use: "man", Short: "Print the manual page", Args: args(cobra.NoArgs), RunE: func(c *cobra.Command, _ []string) error {
		return writeMan(c.OutOrStdout(), root)
	}}
}

// writeMan writes the manual of all commands in the language of man(7).
func writeMan(out io.Writer, root *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH COOP 1 \"\" \"coop %s\" \"User Commands\"\n.SH NAME\ncoop \\- %s\n", roff(version), roff(root.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B coop\n.I command\n.RI [ arguments ]\n.SH DESCRIPTION\n%s\n.SH OPTIONS\n", roffText(root.Long))
	manFlags(&b, root.PersistentFlags())
	b.WriteString(".SH COMMANDS\n")
	manCommands(&b, root)
	fmt.Fprintf(&b, ".SH EXIT STATUS\n%s\n", roffText(exitCodesText))
	b.WriteString(".SH ENVIRONMENT\n.TP\n.B COOP_HOME\nfolder of the co-op on this computer\n.TP\n.B COOP_LOG\n\"info\" or \"debug\": say more on standard error\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func manCommands(b *strings.Builder, c *cobra.Command) {
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		if _, group := sub.Annotations[isGroup]; sub.Runnable() && !group {
			use, _, _ := strings.Cut(sub.UseLine(), " [flags]")
			fmt.Fprintf(b, ".SS %s\n%s\n", roff(use), roffText(describe(sub)))
			manFlags(b, sub.NonInheritedFlags())
		}
		manCommands(b, sub)
	}
}

// describe returns the long text of a command of ours. The ones that print
// completions come with cobra and describe how shells are set up.
func describe(c *cobra.Command) string {
	if c.Long != "" && c.Parent().Name() != "completion" {
		return c.Long
	}
	return c.Short + "."
}

func manFlags(b *strings.Builder, flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			fmt.Fprintf(b, ".TP\n.B \\-\\-%s\n%s\n", roff(f.Name), roff(f.Usage))
		}
	})
}

// roff escapes one line.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// roffText escapes paragraphs. One in which columns are aligned by spaces keeps
// its lines.
func roffText(s string) string {
	var out []string
	for i, p := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		if i > 0 {
			out = append(out, ".PP")
		}
		aligned := strings.Contains(p, "  ")
		if aligned {
			out = append(out, ".nf")
		}
		for l := range strings.SplitSeq(p, "\n") {
			out = append(out, roff(l))
		}
		if aligned {
			out = append(out, ".fi")
		}
	}
	return strings.Join(out, "\n")
}
