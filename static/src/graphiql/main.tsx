// GraphiQL for this node, served by this node: there is no request to another host.

import 'graphiql/style.css'
import './graphiql.css'
import { GraphiQL } from 'graphiql'
import { createClient } from 'graphql-ws'
import { createRoot } from 'react-dom/client'
import { GRAPHQL, GRAPHQL_SOCKET } from '@/api/base'
import { Caller } from './caller'

const FIRST_QUERY = `# The API of this node. Ctrl-Space completes, the book at the left explains.

{
  overview {
    cluster { activeNodes activeJobs executionsRunning }
    attention { kind jobName message }
    nextDue { jobName dueTime }
  }
}
`

const sockets = createClient({ url: GRAPHQL_SOCKET })

interface Request {
  query: string
  variables?: Record<string, unknown>
  operationName?: string | null
}

/** Subscriptions by the socket, queries and mutations by POST. */
function fetcher(request: Request) {
  if (/^\s*subscription\b/m.test(request.query)) {
    return sockets.iterate({
      ...request,
      operationName: request.operationName ?? null,
      variables: request.variables ?? null,
    })
  }
  return fetch(GRAPHQL, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  }).then((response) => response.json())
}

const root = document.getElementById('graphiql')
if (root)
  createRoot(root).render(
    <>
      <header className="caller">
        <Caller />
      </header>
      <main className="editor">
        <GraphiQL fetcher={fetcher as never} defaultQuery={FIRST_QUERY} shouldPersistHeaders={false} />
      </main>
    </>,
  )
