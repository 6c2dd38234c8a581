// The session of this browser. A 401 of any request, or a socket that the node closes with 4401, ends it: nothing is
// sent until the user has signed in.

import { useSyncExternalStore } from 'react'

export interface Session {
  /** `ended`: the node refused the caller; what is on the screen waits. `left`: the user signed out; nothing is kept. */
  state: 'open' | 'ended' | 'left'
  /** Why it ended, in the words of the node. */
  reason: string | null
  /** Another number for each sign-in: an answer to a request of an earlier session ends nothing. */
  number: number
  /** Another number when another user may have signed in: no page of the previous one is kept. */
  user: number
}

let session: Session = { state: 'open', reason: null, number: 0, user: 0 }
const listeners = new Set<() => void>()
const forbidden = new Set<() => void>()

/** The session, for a component. */
export function useSession(): Session {
  return useSyncExternalStore(onSession, currentSession)
}

/** The session now. */
export const currentSession = () => session

/** Calls back at each change; returns the function that stops it. */
export function onSession(listener: () => void) {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** The node does not know the caller of a request that was sent in session `number`. */
export function noteUnauthenticated(reason: string | null, number: number) {
  if (session.state === 'open' && session.number === number) set({ ...session, state: 'ended', reason })
}

/** The user signed in; `same` is the user whose pages are open. */
export function noteSignedIn(same: boolean) {
  const { number, user } = session
  set({ state: 'open', reason: null, number: number + 1, user: same ? user : user + 1 })
}

/** The user signed out. */
export function noteSignedOut() {
  set({ ...session, state: 'left', reason: null })
}

/** The role of the caller may have changed: the node refused what the page offers. */
export function noteForbidden() {
  for (const listener of forbidden) listener()
}

/** Calls back after such a refusal; returns the function that stops it. */
export function onForbidden(listener: () => void) {
  forbidden.add(listener)
  return () => {
    forbidden.delete(listener)
  }
}

function set(next: Session) {
  session = next
  for (const listener of listeners) listener()
}
