package listing_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coop/crdt/amount"
	"coop/crdt/listing"
)

// Files as spreadsheets, shops, food co-ops and banks write them, made up by us.
// A row is the code, the title, the price in hundredths (of a range both), the
// unit, and what the price buys.
func TestDialects(t *testing.T) {
	for _, tt := range []struct {
		file, encoding, separator string
		marks                     amount.Marks
		columns                   map[string]string
		rows                      []string
	}{
		{"foodsoft.csv", "UTF-8", "semicolons", amount.Point, nil, []string{"1101 Roggenbrot 285 euro/500 g", "1102 Dinkelbrot 420 euro/750 g closed", "2001 Apfelsaft 195 euro/1 l"}},
		{"foodsoft-nl.csv", "UTF-8", "semicolons", amount.Point, nil, []string{"501 Hazelnoten 1250 euro/kg", "502 Perensap 321 euro/4x250ml"}},
		{"foodsoft-en.csv", "UTF-8", "semicolons", amount.Point, nil, []string{"77 Oat flakes 180 euro/kg", "78 Lentils 305 euro/kg"}},
		{"foodcoopshop.csv", "UTF-8", "semicolons", amount.Comma, nil, []string{"17 Karotten 240 euro/1 kg", "18 Heumilch 190 euro/Flasche closed"}},
		{"open-food-network.csv", "UTF-8", "commas", amount.Point, map[string]string{"unit": "variant_unit_name"}, []string{"GA-1 Leeks 275 euro/", "GA-2 Kale 160 euro/bunch"}},
		{"open-food-france.csv", "UTF-8", "semicolons", amount.Comma, nil, []string{" Poireaux 320 euro/kg", " Tomme 123450 euro/pièce"}},
		{"solawi.csv", "UTF-8", "tabs", amount.Comma, nil, []string{" Kürbis 350 euro/Stück", " Kartoffeln 1200 euro/Sack"}},
		{"excel-german.csv", "Windows-1252", "semicolons", amount.Comma, nil, []string{"4711 Öl 123450 euro/", "4712 Müsli 395 euro/"}},
		{"excel-german-utf16.csv", "UTF-16", "tabs", amount.Comma, nil, []string{"1 Grünkern 210 euro/", "2 Möhren 99 euro/"}},
		{"excel-sep.csv", "UTF-8", "semicolons", amount.Point, nil, []string{" Honey 540 euro/jar", " Wax 125000 euro/kg"}},
		{"excel-english-bom.csv", "UTF-8", "commas", amount.Point, nil, []string{"S-1 Soap, bar 320 gbp/", "S-2 Towel 101200 gbp/"}},
		{"excel-swiss.csv", "Windows-1252", "semicolons", amount.Point, nil, []string{" Bergkäse 3200 franken/kg", " Ofen 148050 franken/Stück", " Kessel 98000 franken/Stück"}},
		{"excel-french.csv", "Windows-1252", "semicolons", amount.Comma, nil, []string{"A12 Crème fraîche 235 euro/pot", "A13 Bière blonde 180 euro/bouteille"}},
		{"excel-spanish.csv", "UTF-8", "semicolons", amount.Comma, nil, []string{"N1 Piñones 1250 euro/kg", "N2 Aceite 105000 euro/bidón"}},
		{"excel-italian.csv", "UTF-8", "semicolons", amount.Comma, nil, []string{"P1 Farro perlato 420 euro/kg", "P2 Caffè 1100 euro/kg"}},
		{"excel-dutch.csv", "UTF-8", "semicolons", amount.Comma, nil, []string{"90 Boerenkaas 1495 euro/kg", "91 Volkorenmeel 149 euro/kg"}},
		{"excel-portuguese.csv", "UTF-8", "semicolons", amount.Comma, nil, []string{"5 Pão de centeio 310 euro/un", "6 Azeite 990 euro/l"}},
		{"excel-swedish.csv", "UTF-8", "semicolons", amount.Comma, nil, []string{" Knäckebröd 3250 sek/paket", " Honung 105000 sek/burk"}},
		{"libreoffice.csv", "UTF-8", "commas", amount.Comma, nil, []string{" Zwiebeln 120 euro/kg", " Knoblauch 980 euro/kg"}},
		{"numbers.csv", "UTF-8", "commas", amount.Point, nil, []string{" Candles 400 dollar/unit", " Lantern 125000 dollar/unit"}},
		{"google-sheets.tsv", "UTF-8", "tabs", amount.Point, nil, []string{" Tofu 290 euro/400 g", " Tempeh 325 euro/250 g"}},
		{"hours.csv", "UTF-8", "commas", amount.Unknown, nil, []string{" Bicycle repair 50 hour/", " Weeding 150 hour/", " Translation 200-300 hour/", " Child care gift"}},
		{"woocommerce.csv", "UTF-8", "commas", amount.Point, nil, []string{"W-31 Mug 1850 euro/", "W-32 Plate 2400 euro/"}},
		{"shopify.csv", "UTF-8", "commas", amount.Point, nil, []string{"L-1 Linen bag 1400 euro/", "A-S Apron, Small, Blue 3200 euro/ closed", "A-L Apron, Large, Blue 3650 euro/ closed"}},
		{"magento.csv", "UTF-8", "commas", amount.Point, nil, []string{"M-1 Scarf 3900 euro/", "M-2 Hat 2450 euro/"}},
		{"prestashop.csv", "UTF-8", "semicolons", amount.Point, nil, []string{"SV-8 Savon 490 euro/", "SH-9 Shampooing 750 euro/"}},
		{"etsy.csv", "UTF-8", "commas", amount.Point, nil, []string{"B-1 Basket, round 4500 gbp/", "B-2 Trug 125000 gbp/"}},
		{"square.csv", "UTF-8", "commas", amount.Point, nil, []string{"E-1 Espresso 260 dollar/", "C-1 Cake, Slice 380 dollar/", "C-2 Cake, Whole 103000 dollar/"}},
		{"wholesaler-title.csv", "UTF-8", "semicolons", amount.Comma, nil, []string{"100200 Basmatireis 215 euro/kg", "100201 Datteln 109900 euro/kg"}},
		{"bars.txt", "UTF-8", "bars", amount.Point, nil, []string{" Seed potatoes 85 euro/kg", " Onion sets 240 euro/kg"}},
		{"sap.csv", "UTF-8", "semicolons", amount.Comma, nil, []string{"000000000000123 Weizenmehl 550 6800 euro/100 KG", "000000000000124 Roggenmehl 1150 74 euro/KG", "000000000000125 Knetmaschine 148050 euro/ST"}},
		{"sparkasse.csv", "Windows-1252", "semicolons", amount.Comma, map[string]string{"title": "Verwendungszweck"}, []string{" Miete Oktober 125000 euro/", " Mehl 31240 euro/"}},
		{"bank-dutch.csv", "UTF-8", "commas", amount.Comma, map[string]string{"title": "Naam / Omschrijving"}, []string{"OV Huur oktober 95000 euro/", "GT Meel 131240 euro/"}},
		{"bank-french.csv", "Windows-1252", "semicolons", amount.Comma, nil, []string{" Loyer 125000 euro/", " Farine 31240 euro/"}},
		{"postfinance.csv", "Windows-1252", "semicolons", amount.Point, map[string]string{"title": "Avisierungstext", "price": "Gutschrift in CHF"}, []string{" Miete 125000 franken/", " Mehl 31240 franken/"}},
		{"bank-english.csv", "UTF-8", "commas", amount.Point, nil, []string{" Rent 125000 gbp/", " Flour 31240 gbp/"}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			file, err := os.ReadFile(filepath.Join("testdata", "dialects", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			units := []string{"hour", "gbp", "franken", "dollar", "sek", "euro"}
			got := listing.ReadTable(bytes.NewReader(file), listing.TableOptions{Reader: listing.Reader{Unit: "euro", Units: units}, Columns: tt.columns})
			if len(got.Bad) > 0 || got.Encoding != tt.encoding || got.Separator != tt.separator || got.Marks != tt.marks {
				t.Errorf("got %v, %s, %s, decimals by %s, want %s, %s, %s", got.Bad, got.Encoding, got.Separator, got.Marks, tt.encoding, tt.separator, tt.marks)
			}
			var rows []string
			for _, r := range got.Rows {
				rows = append(rows, written(t, r.Draft))
			}
			if !slices.Equal(rows, tt.rows) {
				t.Errorf("got rows\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(tt.rows, "\n"))
			}
		})
	}
}

// written is what was read of a row, in one line.
func written(t *testing.T, d listing.Draft) string {
	t.Helper()
	p, err := listing.ParsePrice(d.Price, "")
	if err != nil {
		t.Fatal(err)
	}
	if p.Kind != listing.PriceAmount && p.Kind != listing.PriceRange {
		return fmt.Sprintf("%s %s %s", d.Code, d.Title, p)
	}
	price := ""
	for _, number := range []string{p.From, p.To} {
		if number == "" {
			continue
		}
		n, err := amount.Minor(number, 2, 1_000_000_000_000)
		if err != nil {
			t.Fatalf("%q: %v", d.Price, err)
		}
		price += fmt.Sprintf("-%d", n)
	}
	line := fmt.Sprintf("%s %s %s %s/%s", d.Code, d.Title, price[1:], p.Unit, p.Per)
	if d.Status == listing.Closed {
		line += " closed"
	}
	return line
}
