// Queries of components: TanStack Query around the client. The lists of the API are the truth: after a command the
// visible ones are read again, nothing is patched.

import { QueryClient, type UseQueryOptions, useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError, Unreachable } from './client'
import { onReadAgain } from './connection'
import type { TypedDocumentString } from './generated'
import { keyOf, type Pulse, read } from './read'

/** The cache of this page. */
export function createQueryClient(): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 1_000,
        // A refusal of the API is final; a request without an answer is repeated when the node is back.
        retry: (failures, error) => !(error instanceof ApiError) && !(error instanceof Unreachable) && failures < 2,
        refetchOnWindowFocus: true,
        networkMode: 'always',
      },
      mutations: { networkMode: 'always' },
    },
  })
  onReadAgain(() => void client.invalidateQueries())
  return client
}

interface Options<Result, Fresh>
  extends Pick<UseQueryOptions<Result>, 'enabled' | 'gcTime' | 'refetchInterval' | 'staleTime' | 'placeholderData'> {
  pulse?: Pulse<Result, Fresh>
}

/** Reads one query of the API. */
export function useApi<Result, Variables, Fresh = never>(
  document: TypedDocumentString<Result, Variables>,
  variables: Variables,
  { pulse, ...options }: Options<Result, Fresh> = {},
) {
  const queries = useQueryClient()
  return useQuery<Result>({
    queryKey: keyOf(document, variables),
    queryFn: ({ signal }) => read(queries, document, variables, { signal, pulse }),
    ...options,
  })
}
