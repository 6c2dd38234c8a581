import { render, waitFor } from '@testing-library/react'
import { beforeEach, expect, test, vi } from 'vitest'

/** A socket that is open at once, and says `connection_ack` and nothing else. */
class Socket {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSING = 2
  static readonly CLOSED = 3
  static all: Socket[] = []
  readyState = Socket.OPEN
  sent: string[] = []
  onopen?: () => void
  onmessage?: (event: { data: string }) => void
  onclose?: (event: { code: number; reason: string }) => void
  onerror?: () => void

  constructor() {
    Socket.all.push(this)
    queueMicrotask(() => this.onopen?.())
  }
  send(text: string) {
    this.sent.push(text)
    const { type } = JSON.parse(text) as { type: string }
    if (type === 'connection_init') queueMicrotask(() => this.onmessage?.({ data: '{"type":"connection_ack"}' }))
  }
  close(code = 1000, reason = '') {
    this.readyState = Socket.CLOSED
    this.onclose?.({ code, reason })
  }
}

const subscribes = (socket: Socket | undefined) => socket?.sent.some((text) => text.includes('"subscribe"')) ?? false

/** The modules, with the socket above in place of the browser's. */
async function listen() {
  const { useLive } = await import('./live')
  const session = await import('./session')
  const { JobHappenedDocument } = await import('./generated')
  function Listening() {
    useLive(JobHappenedDocument, {}, () => {})
    return null
  }
  render(<Listening />)
  await waitFor(() => expect(subscribes(Socket.all[0])).toBe(true))
  return session
}

beforeEach(() => {
  Socket.all = []
  vi.stubGlobal('WebSocket', Socket)
  vi.resetModules()
})

test('a socket that the node closes with 4401 ends the session, and the next session has another one', async () => {
  const session = await listen()
  Socket.all[0]?.close(4401, 'the session has ended')
  expect(session.currentSession().state).toBe('ended')
  expect(Socket.all).toHaveLength(1)
  session.noteSignedIn(true)
  await waitFor(() => expect(subscribes(Socket.all.at(-1))).toBe(true))
  expect(Socket.all.length).toBeGreaterThan(1)
  expect(Socket.all.at(-1)?.readyState).toBe(Socket.OPEN)
})

test('a session that ended elsewhere takes its socket with it', async () => {
  const session = await listen()
  session.noteUnauthenticated(null, session.currentSession().number)
  expect(Socket.all[0]?.readyState).toBe(Socket.CLOSED)
})

test('the first user of an open cluster leaves the socket of the anonymous caller', async () => {
  const session = await listen()
  session.noteSignedIn(true)
  expect(Socket.all[0]?.readyState).toBe(Socket.CLOSED)
  await waitFor(() => expect(subscribes(Socket.all[1])).toBe(true))
  expect(session.currentSession().state).toBe('open')
})
