package document_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// moduleRoot is where go.mod is.
func moduleRoot(t *testing.T) string {
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("there is no go.mod above this package")
		}
	}
}

func importsAutomerge(f *ast.File) bool {
	return slices.ContainsFunc(f.Imports, func(spec *ast.ImportSpec) bool {
		path, _ := strconv.Unquote(spec.Path.Value)
		return strings.HasPrefix(path, "github.com/automerge/")
	})
}

// TestOnlyThisPackage holds that no other package imports Automerge, not even
// its tests.
func TestOnlyThisPackage(t *testing.T) {
	root, files := moduleRoot(t), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		if rel, _ := filepath.Rel(root, path); importsAutomerge(f) && filepath.ToSlash(filepath.Dir(rel)) != "crdt/document" {
			t.Errorf("%s imports Automerge, which only crdt/document may", rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("only %d files were looked at", files)
	}
}

// allowed is all of Automerge that this package names. What reads bytes (Load,
// LoadIncremental, LoadChanges, LoadSyncMessage, ReceiveMessage) is not in it.
var allowed = []string{"New", "NewText", "NewList", "Doc", "Map", "Value", "ChangeHash", "CommitOptions"}

// TestNoBytesReachAutomerge holds that one file imports Automerge, that it names
// nothing that reads bytes, has no exported function, and that no exported
// function of the package takes bytes but those that read typed ops.
func TestNoBytesReachAutomerge(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		owner := importsAutomerge(f)
		if owner != (name == "automerge.go") {
			t.Errorf("%s: imports Automerge is %v", name, owner)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "automerge" && !slices.Contains(allowed, n.Sel.Name) {
					t.Errorf("%s names automerge.%s", name, n.Sel.Name)
				}
				if strings.HasPrefix(n.Sel.Name, "Load") || strings.HasPrefix(n.Sel.Name, "Receive") || strings.Contains(n.Sel.Name, "Sync") {
					t.Errorf("%s names %s", name, n.Sel.Name)
				}
			case *ast.FuncDecl:
				if owner && n.Name.IsExported() {
					t.Errorf("%s exports %s", name, n.Name.Name)
				}
				if n.Name.IsExported() && takesBytes(n) && !slices.Contains([]string{"DecodeCreate", "DecodeEdit", "Read"}, n.Name.Name) {
					t.Errorf("%s: %s takes bytes", name, n.Name.Name)
				}
			}
			return true
		})
	}
}

func takesBytes(fn *ast.FuncDecl) bool {
	return slices.ContainsFunc(fn.Type.Params.List, func(p *ast.Field) bool {
		list, ok := p.Type.(*ast.ArrayType)
		if !ok {
			return false
		}
		elem, ok := list.Elt.(*ast.Ident)
		return ok && elem.Name == "byte"
	})
}
