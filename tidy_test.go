// This test holds the house: the arrows between packages as ARCHITECTURE.md
// draws them, the one owner of each library, the purity of crdt, and that every
// package says what it is for.
package coop_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers is the diagram: what each package of the product may import of its
// own. Arrows go down only; what is not named is not allowed.
var layers = map[string][]string{
	"crdt/record":    {},
	"crdt/table":     {"crdt/record"},
	"crdt/history":   {"crdt/record"},
	"crdt/minutes":   {"crdt/history", "crdt/record"},
	"crdt/document":  {"crdt/history", "crdt/record"},
	"crdt/text":      {},
	"crdt/lookalike": {"crdt/text"},
	"crdt/member":    {"crdt/history", "crdt/record", "crdt/table", "crdt/text"},
	"crdt/amount":    {},
	"crdt/listing":   {"crdt/amount", "crdt/document", "crdt/record", "crdt/text"},
	"crdt/proposal":  {"crdt/document", "crdt/history", "crdt/member", "crdt/record", "crdt/table", "crdt/text"},
	"crdt/ledger":    {"crdt/amount", "crdt/member", "crdt/record", "crdt/table"},
	"crdt/coop": {
		"crdt/document", "crdt/history", "crdt/ledger", "crdt/listing", "crdt/member", "crdt/minutes", "crdt/proposal", "crdt/record", "crdt/table",
	}, // not crdt/lookalike, whose tables change with a library: no rule of the fold may ask it
	"sync/wire":     {"crdt/record"},
	"sync/replica":  {"sync/wire", "crdt/"},
	"sync/p2p":      {"sync/replica", "sync/wire", "crdt/record"},
	"sync/bundle":   {"sync/replica", "sync/wire"},
	"sync/simnet":   {"sync/bundle", "sync/replica", "sync/wire", "crdt/"},
	"node/store":    {"crdt/record"},
	"node/keys":     {"crdt/record"},
	"node":          {"node/store", "node/keys", "sync/replica", "sync/wire", "crdt/"},
	"node/nodetest": {"node", "node/store", "node/keys", "sync/replica", "sync/wire", "crdt/"},
	"ui/api":        {"node", "crdt/"},
	"cmd/bench":     {"ui/api", "node", "node/keys", "node/store", "sync/p2p", "sync/replica", "sync/wire", "crdt/"},
	"cmd/coop":      {"ui/api", "node", "node/keys", "node/store", "sync/p2p", "crdt/"},
}

// owners are the libraries that one package alone may import.
var owners = map[string]string{
	"github.com/dgraph-io/badger":        "node/store",
	"github.com/automerge/automerge-go":  "crdt/document",
	"github.com/libp2p/":                 "sync/p2p",
	"github.com/multiformats/":           "sync/p2p",
	"golang.org/x/net/":                  "sync/p2p",
	"github.com/fxamacker/cbor":          "crdt/record",
	"github.com/oasisprotocol":           "crdt/record",
	"filippo.io/edwards25519":            "crdt/record",
	"github.com/tidwall/btree":           "crdt/table",
	"github.com/mtibben/confusables":     "crdt/lookalike",
	"github.com/klauspost/compress/zstd": "sync/wire",
	"github.com/spf13/":                  "cmd/coop",
}

// impure is what nothing under crdt and nothing that the simulator repeats by
// a seed may import.
var impure = []string{"os", "net", "log", "math/rand", "crypto/rand", "sync", "context", "runtime", "syscall", "io/ioutil", "path/filepath"}

// readsClock are the functions of package time that read a clock or wait.
var readsClock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}

type file struct {
	path, dir string
	test      bool
	ast       *ast.File
}

func parseAll(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "testdata" || name != "." && strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, file{path, filepath.ToSlash(filepath.Dir(path)), strings.HasSuffix(name, "_test.go"), parsed})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func imports(f file) []string {
	var paths []string
	for _, spec := range f.ast.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, path)
	}
	return paths
}

// names reports whether one of the patterns names path: exactly, or as all
// that is below it where the pattern ends in a slash.
func names(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return p == path || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p)
	})
}

func TestArrows(t *testing.T) {
	for _, f := range parseAll(t) {
		allowed, known := layers[f.dir]
		if !known && f.dir != "." {
			t.Errorf("%s: package %s is not in the diagram", f.path, f.dir)
		}
		for _, path := range imports(f) {
			own, ours := strings.CutPrefix(path, "coop/")
			if ours && !f.test && !names(allowed, own) {
				t.Errorf("%s imports %s: the diagram has no such arrow", f.path, path)
			}
		}
	}
}

func TestOwners(t *testing.T) {
	for _, f := range parseAll(t) {
		for _, path := range imports(f) {
			for library, owner := range owners {
				if strings.HasPrefix(path, library) && f.dir != owner && !f.test {
					t.Errorf("%s imports %s, which only %s may", f.path, path, owner)
				}
			}
		}
	}
}

func TestPurity(t *testing.T) {
	for _, f := range parseAll(t) {
		pure := strings.HasPrefix(f.dir, "crdt/")
		if f.test || !pure && f.dir != "sync/replica" && f.dir != "sync/wire" {
			continue
		}
		for _, path := range imports(f) {
			seeded := path == "math/rand/v2" && !pure // a seeded source that the caller hands over
			if !seeded && (slices.Contains(impure, path) || names([]string{"os/", "net/", "log/", "math/rand/", "sync/"}, path)) && !ownRuntime(f, path) {
				t.Errorf("%s imports %s: this package does no input and output", f.path, path)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", f.path)
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains(readsClock, n.Sel.Name) {
					t.Errorf("%s reads the clock: time.%s", f.path, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// ownRuntime is the one exception: the owner of Automerge collects the memory
// that Go's collector does not see.
func ownRuntime(f file, path string) bool { return f.dir == "crdt/document" && path == "runtime" }

func TestNoPackageState(t *testing.T) {
	for _, f := range parseAll(t) {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && !f.test && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f.path)
			}
		}
	}
}

func TestPackageComments(t *testing.T) {
	commented := map[string]bool{}
	for _, f := range parseAll(t) {
		if !f.test {
			commented[f.dir] = commented[f.dir] || f.ast.Doc != nil
		}
	}
	for dir, ok := range commented {
		if !ok {
			t.Errorf("package %s does not say what it is for", dir)
		}
	}
	for _, name := range []string{"util", "common", "types", "models", "helpers"} {
		for dir := range commented {
			if filepath.Base(dir) == name {
				t.Errorf("package %s is named after nothing", dir)
			}
		}
	}
}
