import { useSyncExternalStore } from 'react'

export type Screen = 'narrow' | 'medium' | 'wide'

/** Below the first width, in pixels, tables become lists of cards; below the second, secondary columns are left out. */
const BOUNDS = { narrow: 768, medium: 1280 }
const queries = Object.values(BOUNDS).map((bound) => matchMedia(`(max-width: ${bound - 1}px)`))

/** The space in the width of the screen. */
export function useScreen(): Screen {
  return useSyncExternalStore(subscribe, () => {
    if (queries[0]?.matches) return 'narrow'
    return queries[1]?.matches ? 'medium' : 'wide'
  })
}

function subscribe(listener: () => void) {
  for (const query of queries) query.addEventListener('change', listener)
  return () => {
    for (const query of queries) query.removeEventListener('change', listener)
  }
}
