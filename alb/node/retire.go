package node

// Retire has every client connection end in order: idle ones are kept until they are used
// once more or time out, and each answer from now on says that it is the last one. Nothing
// is refused or cut. Another node is to listen by then; see [Node.Connections].
func (n *Node) Retire() { n.retiring.Store(true) }

// Connections returns the number of client connections now.
func (n *Node) Connections() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum := 0
	for _, l := range n.listeners {
		l.mu.Lock()
		sum += len(l.conns)
		l.mu.Unlock()
	}
	return sum
}
