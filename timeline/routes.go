package timeline

import (
	"cmp"
	"slices"
	"strings"
)

const mostRoutes = 5 // in a cluster; the rest is folded into "/*"

// routesOf counts the requests by path, most frequent first.
func routesOf(members []member) []Route {
	byPath := make(map[string]*Route)
	for _, m := range members {
		path := pathOf(m.o.URI)
		r := byPath[path]
		if r == nil {
			r = &Route{Path: path}
			byPath[path] = r
		}
		r.count(m.o.Method, 1)
	}
	var routes []Route
	for _, r := range byPath {
		slices.Sort(r.Methods)
		routes = append(routes, *r)
	}
	slices.SortFunc(routes, func(a, b Route) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Path, b.Path)) })
	return fold(routes)
}

func (r *Route) count(method string, n int) {
	r.Count += n
	if !slices.Contains(r.Methods, method) {
		r.Methods = append(r.Methods, method)
	}
}

// fold keeps the most frequent routes and makes one of the rest.
func fold(routes []Route) []Route {
	if len(routes) <= mostRoutes {
		return routes
	}
	rest := Route{Path: "/*"}
	for _, r := range routes[mostRoutes-1:] {
		for _, method := range r.Methods {
			rest.count(method, 0)
		}
		rest.Count += r.Count
	}
	slices.Sort(rest.Methods)
	return append(routes[:mostRoutes-1:mostRoutes-1], rest)
}

// pathOf returns the path of a request target, with "*" for the parts that look like ids.
func pathOf(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if isID(part) {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}

// isID reports whether a part of a path is a number, or a long word of hexadecimal digits with at least one decimal.
func isID(part string) bool {
	if part == "" || strings.Trim(part, "0123456789abcdefABCDEF-") != "" {
		return false
	}
	decimals := strings.Trim(part, "0123456789") == ""
	return decimals || len(part) >= 8 && strings.ContainsAny(part, "0123456789")
}
