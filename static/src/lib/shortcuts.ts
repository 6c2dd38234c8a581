// Keys that work on every page, unless the user is typing.

import { useEffect, useEffectEvent } from 'react'

export const SHORTCUTS = [
  { keys: ['/', 'Ctrl K'], does: 'Search' },
  { keys: ['j', 'k'], does: 'Next and previous row of a list' },
  { keys: ['p', 'n'], does: 'Previous and next execution of a job' },
  { keys: ['?'], does: 'Show these keys' },
  { keys: ['g', 'o'], does: 'Go to the overview' },
  { keys: ['g', 'j'], does: 'Go to jobs' },
  { keys: ['g', 'e'], does: 'Go to executions' },
  { keys: ['g', 't'], does: 'Go to the timeline of all jobs' },
  { keys: ['g', 'u'], does: 'Go to the upcoming fire times' },
  { keys: ['g', 'c'], does: 'Go to calendars and blackouts' },
  { keys: ['g', 'n'], does: 'Go to nodes' },
  { keys: ['Esc'], does: 'Close a dialog, menu or hint' },
] as const

/** Time between `g` and its second key, in milliseconds. */
const SEQUENCE_MILLIS = 1_000

/** Listens for keys; `onKey` gets "/", "?", or a sequence such as "g j". */
export function useShortcuts(onKey: (key: string) => boolean) {
  const handle = useEffectEvent(onKey)
  useEffect(() => {
    let first = ''
    let timer: ReturnType<typeof setTimeout> | undefined
    const heard = (event: KeyboardEvent) => {
      // The one key with a modifier; it also works in a field.
      if ((event.ctrlKey || event.metaKey) && event.key === 'k') {
        if (handle('/')) event.preventDefault()
        return
      }
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
