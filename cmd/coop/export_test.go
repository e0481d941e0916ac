package main

// For the tests of the program as a whole.
var (
	Run           = run
	ExitCodesText = exitCodesText
)
