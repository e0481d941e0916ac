package main_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var writeFields = flag.Bool("write", false, "write docs/json.md anew")

const fieldsHead = `# Fields of JSON

What ` + "`--json`" + ` and the local interface answer with, by type, as ` + "`ui/api`" + ` has it: the test TestJSONFields holds that none is missing.
What they mean together, and what scripts can rely on, stands in [cli.md](cli.md). A field in brackets is left out where there is nothing to say.
`

// TestJSONFields: docs/json.md has every field of every answer, with what stands beside
// it in the code.
func TestJSONFields(t *testing.T) {
	page := fieldsHead
	files, err := filepath.Glob("../../ui/api/*.go")
	if err != nil {
		t.Fatal(err)
	}
	types := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range typesIn(file) {
			if text := answerFields(spec); text != "" && !strings.HasSuffix(spec.Name.Name, "In") {
				page += "\n## " + spec.Name.Name + "\n\n" + text
				types++
			}
		}
	}
	if types < 30 {
		t.Errorf("found only %d types", types)
	}
	if *writeFields {
		if err := os.WriteFile("../../docs/json.md", []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, "docs/json.md") != page {
		t.Error("docs/json.md is not what ui/api has: go test ./cmd/coop -run TestJSONFields -write")
	}
}

// typesIn returns the types of a file, each with its own comment.
func typesIn(file *ast.File) (all []*ast.TypeSpec) {
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
			for _, s := range g.Specs {
				all = append(all, s.(*ast.TypeSpec))
			}
		}
	}
	return all
}

// answerFields returns a line for each field of a struct that has a name in JSON.
func answerFields(spec *ast.TypeSpec) (text string) {
	s, ok := spec.Type.(*ast.StructType)
	if !ok || !spec.Name.IsExported() {
		return ""
	}
	for _, f := range s.Fields.List {
		if len(f.Names) == 0 {
			if name, ok := f.Type.(*ast.Ident); ok {
				text += fmt.Sprintf("- the fields of %s\n", name.Name)
			}
			continue
		}
		if f.Tag == nil {
			continue
		}
		name, options, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		if name = "`" + name + "`"; slices.Contains(strings.Split(options, ","), "omitempty") {
			name = "[" + name + "]"
		}
		text += strings.TrimSuffix(fmt.Sprintf("- %s: %s", name, strings.TrimSpace(f.Comment.Text())), ": ") + "\n"
	}
	return text
}
