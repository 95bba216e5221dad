package rovo

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// date returns the moment that v stands for, or what is wrong with it.
func (s *jqlScope) date(field string, v jqlValue) (time.Time, string) {
	if v.call {
		unit, end := boundary(v.text)
		switch {
		case strings.EqualFold(v.text, "now"):
			return s.now, ""
		case unit == 0:
			return time.Time{}, fmt.Sprintf("A date for the field '%s' provided by the function '%s' is not valid.", field, v.text)
		}
		now := s.now.In(s.zone)
		if len(v.args) > 0 {
			now, _ = shift(now, v.args[0], unit)
		}
		return startOf(now, unit, end), ""
	}
	text := strings.TrimSpace(strings.ReplaceAll(v.text, "/", "-"))
	for _, layout := range []string{"2006-1-2 15:04", "2006-1-2"} {
		if t, err := time.ParseInLocation(layout, text, s.zone); err == nil {
			return t, ""
		}
	}
	if t, ok := shift(s.now, text, 0); ok {
		return t, ""
	}
	return time.Time{}, fmt.Sprintf("Date value '%s' for field '%s' is invalid. Valid formats include: "+
		"'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'.", v.text, field)
}

// checkFunction returns what is wrong with calling a function so, "" if nothing is.
func checkFunction(v jqlValue) string {
	unit, _ := boundary(v.text)
	most := 0
	switch {
	case unit != 0:
		most = 1
	case !strings.EqualFold(v.text, "currentUser") && !strings.EqualFold(v.text, "now"):
		return fmt.Sprintf("Unable to find JQL function '%s'.", v)
	}
	switch {
	case len(v.args) > most && most == 0:
		return fmt.Sprintf("Function '%s' expected '0' arguments but received '%d'.", v.text, len(v.args))
	case len(v.args) > most:
		return fmt.Sprintf("Function '%s' expected between '0' and '1' arguments but received '%d'.", v.text, len(v.args))
	case len(v.args) == 1:
		if _, ok := shift(time.Time{}, v.args[0], unit); !ok {
			return fmt.Sprintf("Duration for function '%s' should have the format (+/-)n(yMwdm), e.g -1M for 1 month earlier.", v.text)
		}
	}
	return ""
}

// boundary returns the unit of startOfDay() and its like: d, w, M or y, or 0 if it is none of them; and whether it is the unit's end.
func boundary(function string) (unit byte, end bool) {
	name := strings.ToLower(function)
	rest, start := strings.CutPrefix(name, "startof")
	if !start {
		if rest, end = strings.CutPrefix(name, "endof"); !end {
			return 0, false
		}
	}
	switch rest {
	case "day":
		return 'd', end
	case "week":
		return 'w', end
	case "month":
		return 'M', end
	case "year":
		return 'y', end
	}
	return 0, false
}

// startOf returns when the day, week, month or year that t is in begins, or its last millisecond. Weeks begin on Sunday, as they do for
// people whose language is en-US.
func startOf(t time.Time, unit byte, end bool) time.Time {
	year, month, day := t.Date()
	days, months := 1, 0
	switch unit {
	case 'w':
		day, days = day-int(t.Weekday()), 7
	case 'M':
		day, days, months = 1, 0, 1
	case 'y':
		month, day, days, months = 1, 1, 0, 12
	}
	start := time.Date(year, month, day, 0, 0, 0, 0, t.Location())
	if end {
		return start.AddDate(0, months, days).Add(-time.Millisecond)
	}
	return start
}

// jqlPeriod is one part of a period. Five digits are what keeps the years to four.
var jqlPeriod = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([+-]?)(\d{1,5})([yMwdhm]?)\s*`) })

// shift returns t moved by a period such as -7d or "4w 2d", and whether it is one. A number without a unit counts the given one; with a unit
// of 0 there must be one, and neither months nor years.
func shift(t time.Time, period string, unit byte) (time.Time, bool) {
	if period = strings.TrimSpace(period); period == "" {
		return t, false
	}
	sign := 1
	for period != "" {
		m := jqlPeriod().FindStringSubmatch(period)
		if m == nil || unit == 0 && (m[3] == "" || m[3] == "y" || m[3] == "M") {
			return t, false
		}
		period = period[len(m[0]):]
		switch m[1] { // "-4w 2d" is four weeks and two days ago
		case "-":
			sign = -1
		case "+":
			sign = 1
		}
		n, _ := strconv.Atoi(m[2]) // can't fail: digits, few of them
		n *= sign
		of := unit
		if m[3] != "" {
			of = m[3][0]
		}
		switch of {
		case 'y':
			t = t.AddDate(n, 0, 0)
		case 'M':
			t = t.AddDate(0, n, 0)
		case 'w':
			t = t.AddDate(0, 0, 7*n)
		case 'd':
			t = t.AddDate(0, 0, n)
		case 'h':
			t = t.Add(time.Duration(n) * time.Hour)
		case 'm':
			t = t.Add(time.Duration(n) * time.Minute)
		}
	}
	return t, true
}
