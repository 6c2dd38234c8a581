// Keys that work on every page, unless the person is typing.

import { useEffect, useEffectEvent } from 'react'

export const SHORTCUTS = [
  { keys: ['/'], does: 'Search jobs' },
  { keys: ['?'], does: 'Show these keys' },
  { keys: ['g', 'o'], does: 'Go to the overview' },
  { keys: ['g', 'j'], does: 'Go to jobs' },
  { keys: ['g', 'e'], does: 'Go to executions' },
  { keys: ['g', 't'], does: 'Go to the timeline of all jobs' },
  { keys: ['g', 'u'], does: 'Go to what is upcoming' },
  { keys: ['g', 'c'], does: 'Go to calendars and blackouts' },
  { keys: ['g', 'n'], does: 'Go to nodes' },
  { keys: ['Esc'], does: 'Close what is open' },
] as const

/** How long a `g` waits for its second key, in milliseconds. */
const SEQUENCE_MILLIS = 1_000

/** Hears the keys; `onKey` gets "/", "?", or a sequence such as "g j". */
export function useShortcuts(onKey: (key: string) => boolean) {
  const handle = useEffectEvent(onKey)
  useEffect(() => {
    let first = ''
    let timer: ReturnType<typeof setTimeout> | undefined
    const heard = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      const key = first ? `${first} ${event.key}` : event.key
      clearTimeout(timer)
      first = ''
      if (key === 'g') {
        first = key
        timer = setTimeout(() => {
          first = ''
        }, SEQUENCE_MILLIS)
      } else if (handle(key)) {
        event.preventDefault()
      }
    }
    window.addEventListener('keydown', heard)
    return () => window.removeEventListener('keydown', heard)
  }, [])
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName)
}
