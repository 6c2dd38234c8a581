// Whether the node that served this page still answers. Requests and the live connection report here; while the node is
// away its health is asked for until it is back.

import { useSyncExternalStore } from 'react'

export type Connection = 'reachable' | 'lost'

/** Time between two looks whether the node is back, in milliseconds. */
const PROBE_INTERVAL = 1_000

let state: Connection = 'reachable'
let probe: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()
const returns = new Set<() => void>()

/** The node answered. */
export function noteReachable() {
  if (state === 'reachable') return
  clearTimeout(probe)
  set('reachable')
  for (const listener of returns) listener()
}

/** The node did not answer. */
export function noteUnreachable() {
  if (state === 'lost') return
  set('lost')
  probeLater()
}

/** Calls back each time the node is back; returns how to stop. */
export function onReturn(listener: () => void) {
  returns.add(listener)
  return () => {
    returns.delete(listener)
  }
}

/** The state of the connection, for a component. */
export function useConnection(): Connection {
  return useSyncExternalStore(subscribe, () => state)
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

function set(next: Connection) {
  state = next
  for (const listener of listeners) listener()
}

function probeLater() {
  probe = setTimeout(async () => {
    try {
      const response = await fetch('/healthz', { cache: 'no-store' })
      if (response.ok) return noteReachable()
    } catch {
      // Still away.
    }
    probeLater()
  }, PROBE_INTERVAL)
}
