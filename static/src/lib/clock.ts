// Now by the database's clock: the viewer's clock may be wrong, and "in 3 min" must be right.

import { useSyncExternalStore } from 'react'

const listeners = new Set<() => void>()
let offset = 0
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

/** Takes the database's time of an answer that just arrived. */
export function noteDatabaseTime(instant: string) {
  const millis = Date.parse(instant)
  if (!Number.isNaN(millis)) offset = millis - Date.now()
}

/** The database's now in milliseconds, as exact as this page knows it. */
export function databaseNow(): number {
  return Date.now() + offset
}

/** The database's now for a component, updated each second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now)
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  if (!timer) {
    tick()
    timer = setInterval(tick, 1_000)
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }
}

function tick() {
  now = databaseNow()
  for (const listener of listeners) listener()
}
