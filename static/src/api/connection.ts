// The connection to the node that served this page, and of that node to its database. Requests and the live connection
// report here; during an outage a check runs until the node is back.

import { useSyncExternalStore } from 'react'
import { BASE } from './base'

/** `lost`: the node does not answer. `stale`: the node answers, but its database does not. */
export type Connection = 'good' | 'stale' | 'lost'

/** Time between two checks during an outage, in milliseconds. */
const PROBE_INTERVAL = 1_000

let state: Connection = 'good'
let probe: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()
const readers = new Set<() => void>()

/** The node answered, from its database. */
export function noteAnswer() {
  if (state === 'good') return
  clearTimeout(probe)
  set('good')
  readAgain()
}

/** The node answered that its database does not answer. */
export function noteUnavailable() {
  clearTimeout(probe)
  set('stale')
  probe = setTimeout(readAgain, PROBE_INTERVAL)
}

/** The node did not answer. */
export function noteUnreachable() {
  if (state === 'lost') return
  clearTimeout(probe)
  set('lost')
  probeLater()
}

/** Resolves when the node answers. */
export async function whenAnswering(): Promise<void> {
  if (await answers()) return
  noteUnreachable()
  await new Promise<void>((resolve) => {
    const stop = subscribe(() => {
      if (state === 'lost') return
      stop()
      resolve()
    })
  })
}

/** Calls back when the content of the screen should be read again; returns the function that stops it. */
export function onReadAgain(reader: () => void) {
  readers.add(reader)
  return () => {
    readers.delete(reader)
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
  if (state === next) return
  state = next
  for (const listener of listeners) listener()
}

function readAgain() {
  for (const reader of readers) reader()
}

function probeLater() {
  probe = setTimeout(async () => {
    if (await answers()) noteAnswer()
    else probeLater()
  }, PROBE_INTERVAL)
}

async function answers(): Promise<boolean> {
  try {
    return (await fetch(`${BASE}healthz`, { cache: 'no-store' })).ok
  } catch {
    return false
  }
}
