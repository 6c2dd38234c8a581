// Now, as the database sees it: the viewer's clock may be wrong, and "in 3 min" must not be.

import { useSyncExternalStore } from 'react'

const listeners = new Set<() => void>()
let offset = 0
let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

/** The database's time just arrived. */
export function noteDatabaseTime(instant: string) {
  const millis = Date.parse(instant)
  if (!Number.isNaN(millis)) offset = millis - Date.now()
}

/** The database's now in milliseconds, as near as this page knows it. */
export function databaseNow(): number {
  return Date.now() + offset
}

/** The same for a component, each second. */
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
