package listing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The names of what a file says about a listing, as WriteCSV writes them and as
// shops, suppliers and spreadsheets do. The first name is ours.
var columnNames = [][]string{
	{"title", "name", "product", "product name", "product title", "item", "item name", "article", "article name",
		"artikel", "artikelname", "artikelbezeichnung", "bezeichnung", "produkt", "produktname", "produktbezeichnung", "ware", "titel",
		"nom", "nom du produit", "désignation", "libellé", "libellé produit", "produit", "intitulé", "titre",
		"nombre", "nombre del producto", "producto", "artículo", "denominación", "título",
		"nome", "nome prodotto", "prodotto", "articolo", "denominazione", "titolo", "produto",
		"naam", "productnaam", "benaming", "artikelomschrijving", "materialkurztext"},
	{"variant", "variation name", "option1 value"}, {"variant 2", "option2 value"}, {"variant 3", "option3 value"},
	{"kind"},
	{"text"},
	{"category", "categories", "product category", "category name", "product type", "type", "kategorie", "warengruppe", "artikelgruppe", "produktgruppe", "rubrik",
		"catégorie", "rayon", "famille", "categoría", "familia", "categoria", "reparto", "famiglia", "categorie", "groep", "productgroep", "categorienaam", "article category"},
	{"tags", "schlagworte", "stichworte", "schlagwörter", "étiquettes", "mots clés", "etiquetas", "etichette", "labels"},
	{"price", "unit price", "net price", "price net", "list price", "regular price", "retail price", "variant price", "sale price", "selling price",
		"preis", "einzelpreis", "stückpreis", "vk", "vk preis", "verkaufspreis", "verkaufspreis brutto", "verkaufspreis netto", "bruttopreis", "nettopreis", "preis netto", "preis brutto", "netto preis", "e preis",
		"prix", "prix unitaire", "prix unitaire ht", "prix unitaire ttc", "prix ttc", "prix ht", "prix de vente", "pu", "pu ht", "pu ttc",
		"precio", "precio unitario", "pvp", "precio de venta", "prezzo", "prezzo unitario", "prezzo di vendita", "preço",
		"prijs", "prijs ex btw", "stukprijs", "verkoopprijs", "eenheidsprijs", "amount", "betrag", "montant", "importe", "importo", "bedrag"},
	{"quantity", "qty", "stock", "on hand", "in stock", "unit quantity", "pack size", "case size", "menge", "anzahl", "bestand", "lagerbestand", "gebinde", "gebindegröße", "ve",
		"quantité", "stocks", "conditionnement", "colisage", "cantidad", "existencias", "quantità", "giacenza", "confezione", "hoeveelheid", "voorraad", "variant inventory qty"},
	{"place", "ort", "lieu", "lugar", "luogo", "plaats"},
	{"expires"},
	{"status", "verfügbarkeit", "verf", "availability", "avail"},
	{"code", "sku", "variant sku", "article number", "article no", "item number", "item no", "order number", "product code", "plu", "no", "nr", "number",
		"artikelnummer", "materialnummer", "artikel nr", "art nr", "artnr", "art no", "bestellnummer", "bestell nr", "produktnummer",
		"référence", "réf", "ref", "reference", "code article", "código", "referencia", "cód", "codice", "codice articolo", "cod", "artikelcode", "artikelnr", "art nummer", "ean", "gtin", "barcode", "handle", "id"},
	{"list"},
	{"unit", "units", "uom", "unit of measure", "variant unit name", "display as", "einheit", "mengeneinheit", "basismengeneinheit", "verkaufseinheit", "me", "bme",
		"unité", "unité de vente", "unidad", "unidad de medida", "unità", "unità di misura", "um", "u m", "eenheid", "verkoopeenheid", "unidade"},
	{"per", "price per", "price unit", "preis pro", "preiseinheit"},
	{"supplier", "producer", "manufacturer", "vendor", "brand", "brands", "lieferant", "hersteller", "erzeuger", "produzent", "marke",
		"fournisseur", "producteur", "marque", "proveedor", "productor", "marca", "fornitore", "produttore", "leverancier", "producent", "merk"},
	{"case kg"},
	{"origin", "country", "country of origin", "herkunft", "herkunftsland", "ursprung", "ursprungsland", "origine", "pays", "pays d'origine", "provenance",
		"origen", "país", "país de origen", "paese", "provenienza", "paese di origine", "herkomst", "land", "land van herkomst"},
	{"note", "notes", "comment", "description", "short description", "body (html)", "bemerkung", "anmerkung", "hinweis", "notiz", "beschreibung", "zusatz", "kommentar",
		"remarque", "remarques", "commentaire", "observations", "descripción", "observaciones", "nota", "notas", "descrizione", "osservazioni", "opmerking", "notitie", "omschrijving", "toelichting", "descrição"},
	{"currency", "currency code", "währung", "waehrung", "währg", "devise", "moneda", "valuta", "divisa", "munt", "moeda"},
}

// fieldOf is the field that a column of a name is about.
var fieldOf = func() map[string]string {
	of := map[string]string{}
	for _, names := range columnNames {
		for _, name := range names {
			of[plainName(name)] = strings.ReplaceAll(names[0], " ", "_")
		}
	}
	return of
}()

// rank orders names of one field: of two columns that may be the code the one that
// is named first counts.
func rank(name string) int {
	for _, names := range columnNames {
		if i := slices.IndexFunc(names, func(n string) bool { return plainName(n) == plainName(name) }); i >= 0 {
			return i
		}
	}
	return len(columnNames)
}

// several are the fields of which a file often has more than one column.
var several = []string{"code", "supplier", "note", "category", "currency"}

// fieldNames are ours, in their order.
func fieldNames() (names []string) {
	for _, n := range columnNames {
		names = append(names, strings.ReplaceAll(n[0], " ", "_"))
	}
	return names
}

// plainName makes one name of those that differ in case, dots and dashes.
func plainName(s string) string {
	s = strings.ToLower(clean(s))
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" _-.:*#'’\"", r) }), " ")
}

// column is a column of a file.
type column struct {
	at    int    // place in a row
	name  string // as the header says it, in small letters
	money string // the unit that the header names beside the price; "": none
	per   string // what the price buys, as the header says; "": nothing
}

var (
	bracketForm = regexp.MustCompile(`^(.*?) ?[(\[](.*)[)\]]$`)
	moneyForm   = regexp.MustCompile(`^(.*?)(?:^| in | ?/ ?| )(\p{Sc}|eur|euro|chf|usd|gbp|sek|dkk|nok|pln|czk)$`)
	priceOfForm = regexp.MustCompile(`^(.*?) ?(?:/| pro | per | je | par | por | al )\s*([^/]+)$`)
)

// known returns what a header cell is about, "" if it is not known.
func known(cell string) (field string, c column) {
	c.name = strings.ToLower(clean(cell))
	name := c.name
	if name == "" {
		return "", c
	}
	if fieldOf[plainName(name)] == "" {
		if m := bracketForm.FindStringSubmatch(name); m != nil && m[1] != "" {
			name = m[1] + " " + m[2]
			if fieldOf[plainName(m[1])] != "" && moneyForm.FindStringSubmatch(m[2]) == nil {
				name = m[1]
			}
		}
	}
	for range 2 {
		if field = fieldOf[plainName(name)]; field != "" {
			return field, c
		}
		if m := priceOfForm.FindStringSubmatch(name); m != nil && moneyForm.FindStringSubmatch(m[2]) == nil {
			name, c.per = m[1], m[2]
		}
		if m := moneyForm.FindStringSubmatch(name); m != nil {
			name, c.money = m[1], m[2]
		}
		if name == "" {
			name = "price" // "€/kg"
		}
	}
	if field = fieldOf[plainName(name)]; field != "price" {
		return "", c
	}
	return field, c
}

// columns are those of a file that are known, by what they are about.
type columns struct {
	of     map[string]column
	unused []string // names of those that are not
	bad    []RowError
}

// find looks for the columns in a row that may be the header.
func find(header []string, row int, names map[string]string) columns {
	c := columns{of: map[string]column{}}
	note := func(column, reason string) { c.bad = append(c.bad, RowError{row, column, reason}) }
	for field, name := range names {
		at := slices.IndexFunc(header, func(cell string) bool { return plainName(cell) == plainName(name) })
		switch {
		case !slices.Contains(fieldNames(), field):
			note("", fmt.Sprintf("%q is nothing a column can be: it is one of %s", field, strings.Join(fieldNames(), ", ")))
		case at < 0:
			note("", fmt.Sprintf("no column is called %q", name))
		default:
			_, c.of[field] = known(header[at])
			c.of[field] = column{at: at, name: strings.ToLower(clean(header[at])), money: c.of[field].money, per: c.of[field].per}
		}
	}
	for i, cell := range header {
		field, col := known(cell)
		col.at = i
		other, twice := c.of[field]
		_, named := names[field]
		switch {
		case twice && other.at == i:
		case twice && !named && (slices.Contains(several, field) || onSale(col, other)):
			if rank(col.name) < rank(other.name) {
				c.of[field], col = col, other
			}
			c.unused = append(c.unused, col.name)
		case field == "", named:
			if !isNamed(c.of, i) && col.name != "" {
				c.unused = append(c.unused, col.name)
			}
		case twice && plainName(other.name) == plainName(col.name):
			note(col.name, "the column is there twice: delete or rename one")
		case twice:
			note(col.name, fmt.Sprintf("both %q and %q may be the %s: say which one is", other.name, col.name, field))
		default:
			c.of[field] = col
		}
	}
	c.weak()
	return c
}

// onSale reports whether one of two prices only counts for a time. Its dates stand
// elsewhere, so the other is read.
func onSale(a, b column) bool {
	names := []string{plainName(a.name), plainName(b.name)}
	return slices.Contains(names, "regular price") && slices.Contains(names, "sale price")
}

func isNamed(of map[string]column, at int) bool {
	for _, c := range of {
		if c.at == at {
			return true
		}
	}
	return false
}

// weak takes a description for the title where nothing else is.
func (c *columns) weak() {
	_, has := c.of["title"]
	if note, ok := c.of["note"]; ok && !has {
		c.of["title"] = note
		delete(c.of, "note")
	}
}

func (c columns) has(field string) bool {
	_, ok := c.of[field]
	return ok
}

// header reports whether such columns are those of a list.
func (c columns) header() bool { return c.has("title") && (c.has("price") || c.has("kind")) }

// missing says what a header lacks.
func (c columns) missing(row int) []RowError {
	if !c.has("title") {
		return []RowError{{row, "", fmt.Sprintf("the columns are not known: the first row must name them, like %s for listings or %s for a price list",
			strings.Join(own, ","), "supplier,name,category,price,unit,case_kg,origin,note")}}
	}
	return []RowError{{row, "price", "the column is missing: add it"}}
}
