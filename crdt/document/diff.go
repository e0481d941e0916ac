package document

import (
	"strings"
	"unicode/utf8"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// Bounds on how finely Diff looks. It reads no clock, so it stops by count.
const (
	// maxDiffWork bounds the product of the two lengths compared at a time:
	// 4,000 lines, words or characters each take a tenth of a second at worst.
	maxDiffWork = 16 << 20
	// maxSplices is how many places an edit may change before it is written as
	// one change: half of MaxOps leaves room for other fields.
	maxSplices = MaxOps / 2
)

type part = diffmatchpatch.Diff

// Diff returns the splices that turn one text into another, so that what others
// write elsewhere in it at the same time stays; nil if they are equal. Both must
// be valid UTF-8. A text that changed in very many places is replaced from the
// first to the last of them.
func Diff(field, from, to string) []Op {
	dmp := diffmatchpatch.New()
	dmp.DiffTimeout = 0 // no clock
	whole := []part{{Type: diffmatchpatch.DiffDelete, Text: from}, {Type: diffmatchpatch.DiffInsert, Text: to}}
	fine := dmp.DiffCleanupSemantic(dmp.DiffCleanupMerge(refine(dmp, whole, []string{"\n", " ", ""})))
	if ops := splices(field, fine); len(ops) <= maxSplices {
		return ops
	}
	return splices(field, dmp.DiffCleanupMerge(whole))
}

// refine compares each text that goes with the text that comes in its place:
// by the lines, then by the words of lines that changed, then by characters.
func refine(dmp *diffmatchpatch.DiffMatchPatch, parts []part, separators []string) []part {
	if len(separators) == 0 {
		return parts
	}
	var out []part
	for i := 0; i < len(parts); i++ {
		if i+1 == len(parts) || parts[i].Type != diffmatchpatch.DiffDelete || parts[i+1].Type != diffmatchpatch.DiffInsert {
			out = append(out, parts[i])
			continue
		}
		finer := compare(dmp, parts[i].Text, parts[i+1].Text, separators[0])
		out = append(out, refine(dmp, finer, separators[1:])...)
		i++
	}
	return out
}

// compare compares two texts cut behind each separator.
func compare(dmp *diffmatchpatch.DiffMatchPatch, from, to, separator string) []part {
	var words []string
	number := map[string]rune{}
	cut := func(s string) (runes []rune) {
		for _, w := range strings.SplitAfter(s, separator) {
			n, ok := number[w]
			if !ok {
				n = rune(len(words))
				number[w] = n
				words = append(words, w)
			}
			runes = append(runes, n)
		}
		return runes
	}
	a, b := cut(from), cut(to)
	if len(a)*len(b) > maxDiffWork || len(words) > surrogates {
		return []part{{Type: diffmatchpatch.DiffDelete, Text: from}, {Type: diffmatchpatch.DiffInsert, Text: to}}
	}
	parts := dmp.DiffMainRunes(a, b, false)
	for i := range parts {
		var text strings.Builder
		for _, n := range parts[i].Text {
			text.WriteString(words[n])
		}
		parts[i].Text = text.String()
	}
	return parts
}

// surrogates is the first number that cannot stand for a word, since it is no
// character.
const surrogates = 0xd800

// splices writes parts as ops.
func splices(field string, parts []part) (ops []Op) {
	at, del := 0, 0
	for i, p := range parts {
		n := utf8.RuneCountInString(p.Text)
		switch p.Type {
		case diffmatchpatch.DiffEqual:
			at += n
		case diffmatchpatch.DiffDelete:
			del = n
			if i+1 == len(parts) || parts[i+1].Type != diffmatchpatch.DiffInsert {
				ops = append(ops, Splice(field, at, del, ""))
				del = 0
			}
		case diffmatchpatch.DiffInsert:
			ops = append(ops, Splice(field, at, del, p.Text))
			at, del = at+n, 0
		}
	}
	return ops
}
