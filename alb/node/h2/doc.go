// Package h2 is one HTTP/2 connection (RFC 9113), of either role: the server's, for clients
// of a load balancer, and the client's, for its targets.
//
// Words: a Conn is a connection, a Stream one request with its response. A head is a header
// section, a block its encoded form; a strain is what a peer asks for without being served.
//
// Run reads the connection; it alone owns what is read. Everything else of a Conn and of its
// Streams is guarded by one lock, held for as long as it takes to append a frame. Whoever has
// something to send appends it, and one of them writes what all have appended, so that the
// frames of several streams leave in one write.
//
// The package never retries, never pushes, ignores priorities, and knows nothing of what is
// said in the requests beyond what RFC 9113 calls malformed.
package h2
