package store

// Dir is where the store is, or its copy.
func (s *Store) Dir() string { return s.dir }
