package main

import "os"

// unlimitLines does nothing: the console takes lines of any length that matters.
func unlimitLines(*os.File) {}
