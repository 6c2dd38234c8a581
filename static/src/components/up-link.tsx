// The way back to a list, with the filters that it had.

import { Link, useRouterState } from '@tanstack/react-router'
import { useEffect } from 'react'

type List = '/jobs' | '/executions'

/** What stood last in the address of each list; for as long as the page is open. */
const last = new Map<string, Record<string, unknown>>()

/** Notes the filters of the lists; used once, by the shell. */
export function useListMemory() {
  const { pathname, search } = useRouterState({ select: ({ location }) => location })
  useEffect(() => {
    if (pathname === '/jobs' || pathname === '/executions') last.set(pathname, search)
  }, [pathname, search])
}

/** A link from a page to the list that it is one of. */
export function UpLink({ to }: { to: List }) {
  return (
    <Link to={to} search={last.get(to) ?? {}}>
      {to === '/jobs' ? 'Jobs' : 'Executions'}
    </Link>
  )
}
