package codebolt

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/semaphore"

	"github.com/firnlog/firn/functions/front"
	"github.com/firnlog/firn/layout/fault"
)

// Bounds of a connection.
const (
	// MaxInFlight is how many requests of one connection are carried out at
	// once. The next is not read before one of them is answered.
	MaxInFlight = 64
	// messageTime is how long one message may take to come or to go: 32 MB at
	// 1 Mbit/s. Between messages a connection stays open for ever.
	messageTime = 5 * time.Minute
	// pingTime is between pings, which keep proxies from closing what is idle.
	pingTime = 30 * time.Second
	// callerAge is how old the answer to who calls may be. With the age that keys
	// themselves may have, a revocation takes effect within 10 seconds.
	callerAge = 4 * time.Second
	// prefix is how much of a message is read at first, and without any memory
	// to be had: it holds the id of a request that is too large.
	prefix = 4 << 10
)

// socket is one connection. Its fields below the line are the read loop's.
type socket struct {
	*Server
	conn  *websocket.Conn
	slots *semaphore.Weighted // of requests in flight
	write sync.Mutex          // one reply at a time, so that the time of each is its own
	// -----
	handshake *http.Request // holds the credentials
	caller    front.Caller
	refused   error     // why the credentials are no longer good
	checked   time.Time // when they were
}

// connect serves a connection until it ends.
func (d *Server) connect(w http.ResponseWriter, r *http.Request) {
	if origin := r.Header.Get("Origin"); !d.pageMay(origin) {
		d.fail(w, r, fault.New(fault.Denied, "web pages of the origin %q may not connect", shorten(origin)))
		return
	}
	if !d.enter() {
		d.fail(w, r, fault.New(fault.Unavailable, "the server is stopping"))
		return
	}
	defer d.sockets.Done()
	// Compression would cost each connection a dictionary, and save little on one machine.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has said what is wrong with the handshake
	}
	conn.SetReadLimit(-1) // see take
	c := &socket{Server: d, conn: conn, slots: semaphore.NewWeighted(MaxInFlight),
		handshake: r, caller: front.CallerOf(r.Context()), checked: d.Now()}
	c.serve(r.Context())
}

// serve reads requests until the connection ends or the server stops. All that
// it starts has ended when it returns.
func (c *socket) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	unlink := context.AfterFunc(c.ctx, cancel)
	defer unlink()
	var beside sync.WaitGroup
	beside.Go(func() { c.stop(ctx); cancel() })
	beside.Go(func() { c.ping(ctx) })
	c.loop(ctx)
	cancel()
	_ = c.conn.CloseNow()
	_ = c.slots.Acquire(context.Background(), MaxInFlight) // those in flight end with ctx
	beside.Wait()
}

// stop waits for the end of the server, or of ctx, and says good-bye. Requests in
// flight are answered first: once it has all slots there are none.
func (c *socket) stop(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-c.stopping:
		if c.slots.Acquire(ctx, MaxInFlight) == nil {
			defer c.slots.Release(MaxInFlight)
		}
	}
	_ = c.conn.Close(websocket.StatusGoingAway, "the server is stopping")
}

// ping keeps the connection from looking idle. Whether the peer is there is
// TCP's concern.
func (c *socket) ping(ctx context.Context) {
	ticker := time.NewTicker(pingTime)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		wait, cancel := context.WithTimeout(ctx, messageTime)
		_ = c.conn.Ping(wait)
		cancel()
	}
}

// loop reads requests and has each answered, until the connection fails.
func (c *socket) loop(ctx context.Context) {
	for {
		// The reads end with the connection: a context that ended would cut it off
		// without a good-bye.
		_, src, err := c.conn.Reader(context.Background())
		if err != nil {
			return
		}
		loan := c.Borrow()
		message, refused, err := c.take(ctx, src, loan)
		if err != nil || c.slots.Acquire(ctx, 1) != nil {
			loan.End()
			return
		}
		if err := c.identify(); refused == nil {
			refused = err
		}
		caller := front.WithCaller(ctx, c.caller)
		go func() {
			defer c.slots.Release(1)
			defer loan.End()
			c.answer(caller, loan, message, refused)
		}()
	}
}

// take reads a message. One that is too large, or for which there is no memory,
// is read to its end all the same, for then the connection can go on; what is
// returned of it has its beginning, and refused says why. An error is the
// connection's.
func (c *socket) take(ctx context.Context, src io.Reader, loan *front.Loan) (message []byte, refused, err error) {
	late := time.AfterFunc(messageTime, func() {
		_ = c.conn.Close(websocket.StatusPolicyViolation, "a message took more than 5 minutes to come")
	})
	defer late.Stop()
	most := c.Limits.Body // a message is an append as well as anything
	for room := int64(prefix); refused == nil; room *= 2 {
		room = min(room, most+1)
		// Without memory the prefix is read all the same.
		if refused = loan.Grow(ctx, room); refused != nil && message != nil {
			break
		}
		held := int64(cap(message))
		message = append(make([]byte, 0, room), message...)
		if refused == nil {
			loan.Shrink(held)
		}
		n, err := io.ReadFull(src, message[len(message):room])
		message = message[:len(message)+n]
		switch {
		case int64(len(message)) > most:
			refused = fault.New(fault.Limit, "the message has more than %d bytes", most)
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return message, refused, nil
		case err != nil:
			return nil, nil, err
		}
	}
	_, err = io.Copy(io.Discard, src)
	return message, refused, err
}

// identify asks anew who calls when that was long ago: a connection may outlive
// the key that it was opened with.
func (c *socket) identify() error {
	if now := c.Now(); c.Authenticate != nil && now.Sub(c.checked) > callerAge {
		c.checked = now
		c.caller, c.refused = c.Authenticate(c.handshake)
	}
	return c.refused
}

// answer carries a request out, unless it is refused, and sends the reply.
func (c *socket) answer(ctx context.Context, loan *front.Loan, message []byte, refused error) {
	var reply []byte
	held, end := c.WithAnswer(ctx)
	defer end()
	if refused == nil {
		reply = c.handle(held, loan, message)
	} else {
		r, _ := parseRequest(message)
		reply = c.reply(ctx, r, answer{}, refused)
		if r.id == nil {
			defer c.hangUp(refused)
		}
	}
	c.write.Lock()
	defer c.write.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), messageTime)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, reply); err != nil {
		_ = c.conn.CloseNow()
	}
}

// hangUp ends a connection whose client cannot be told which of its requests was
// refused, and would wait for ever.
func (c *socket) hangUp(refused error) {
	code := websocket.StatusTryAgainLater
	if fault.Is(refused, fault.Limit) {
		code = websocket.StatusMessageTooBig
	}
	_ = c.conn.Close(code, "a message whose requestId does not stand at its beginning was refused")
}
