// Subscriptions over graphql-transport-ws. Events are hints with content: after a broken connection the lists are read
// again. A hidden tab has no subscription.

import { createClient } from 'graphql-ws'
import { useEffect, useEffectEvent, useSyncExternalStore } from 'react'
import { GRAPHQL_SOCKET } from './base'
import type { TypedDocumentString } from './generated'
import { currentSession, noteUnauthenticated, onSession, useSession } from './session'

/** Longest wait between two attempts to connect, in milliseconds. */
const RETRY_WAIT_MAX = 5_000

/**
 * Time between two reads in addition to events, in milliseconds: events may be lost, or their source may have stopped.
 */
const LIVE_POLL_INTERVAL = 15_000

/** A node closes the socket of a caller that it does not know any more. */
const UNAUTHENTICATED = 4401

let isLive = false
const listeners = new Set<() => void>()

const client = createClient({
  url: GRAPHQL_SOCKET,
  lazyCloseTimeout: 1_000,
  keepAlive: 10_000,
  retryAttempts: Number.POSITIVE_INFINITY,
  shouldRetry: () => true,
  retryWait: (tries) => new Promise((resume) => setTimeout(resume, Math.min(250 * 2 ** tries, RETRY_WAIT_MAX))),
  on: {
    connected: () => setLive(true),
    closed: (event) => {
      setLive(false)
      const { code } = event as { code?: number }
      if (code === UNAUTHENTICATED) noteUnauthenticated(null, currentSession().number)
    },
  },
})

// The next session has a socket of its own.
let { number } = currentSession()
onSession(() => {
  const session = currentSession()
  if (session.state !== 'open' || session.number !== number) client.terminate()
  number = session.number
})

/** Hands each event to `onEvent` until the returned function is called. */
export function subscribe<Event, Variables>(
  document: TypedDocumentString<Event, Variables>,
  variables: Variables,
  onEvent: (event: Event) => void,
): () => void {
  const operation = { query: document.toString(), variables: variables as Record<string, unknown> }
  return client.subscribe<Event>(operation, {
    next: (result) => {
      if (result.data) onEvent(result.data)
    },
    // The node refused the subscription: the page continues with polling.
    error: () => {},
    complete: () => {},
  })
}

/** Receives events in a session, while the component is on the screen and the tab is visible. */
export function useLive<Event, Variables>(
  document: TypedDocumentString<Event, Variables>,
  variables: Variables,
  onEvent: (event: Event) => void,
) {
  const heard = useEffectEvent(onEvent)
  const visible = useVisible()
  const session = useSession()
  const listens = visible && session.state === 'open'
  const key = JSON.stringify(variables)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the next session has subscriptions of its own
  useEffect(() => {
    if (!listens) return
    return subscribe(document, JSON.parse(key) as Variables, (event) => heard(event))
  }, [document, key, listens, session.number])
}

/** Time between two reads: `interval` without events, longer with them. */
export function usePollInterval(interval: number): number {
  return useSyncExternalStore(listen, () => isLive) ? LIVE_POLL_INTERVAL : interval
}

function setLive(next: boolean) {
  isLive = next
  for (const listener of listeners) listener()
}

function listen(listener: () => void) {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

function useVisible(): boolean {
  return useSyncExternalStore(
    (listener) => {
      window.document.addEventListener('visibilitychange', listener)
      return () => window.document.removeEventListener('visibilitychange', listener)
    },
    () => !window.document.hidden,
  )
}
