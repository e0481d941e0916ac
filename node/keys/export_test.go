package keys

// The parts of a phrase, for the official vectors, which have other lengths
// and a passphrase.
var (
	Encode = encode
	Decode = decode
	Seed   = seed
)
