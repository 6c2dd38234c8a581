import { useSyncExternalStore } from 'react'

/** Below it, tables become lists of cards. The same as Tailwind's `md`. */
const NARROW = '(max-width: 767px)'

/** Whether the screen is too narrow for columns. */
export function useIsNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => matchMedia(NARROW).matches)
}

function subscribe(listener: () => void) {
  const query = matchMedia(NARROW)
  query.addEventListener('change', listener)
  return () => query.removeEventListener('change', listener)
}
