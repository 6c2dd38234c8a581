// Apart from the reading of pages, so that the router does not load that code.

import type { QueryClient } from '@tanstack/react-query'
import { nameOf, send } from './client'
import type { TypedDocumentString } from './generated'

/** Requests the first page of a list before its component is there. */
export function prefetchPages<Result, Variables extends { first?: unknown; after?: unknown }>(
  queries: QueryClient,
  document: TypedDocumentString<Result, Variables>,
  list: Omit<Variables, 'first' | 'after'>,
  size: number,
) {
  const variables = { ...list, first: size, after: null } as unknown as Variables
  void queries.prefetchQuery({
    queryKey: [nameOf(document), variables],
    queryFn: ({ signal }) => send(document, variables, { signal }),
  })
}
