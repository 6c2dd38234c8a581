// Draws a component as a page would, with everything around it that it may ask for. The API is faked at fetch alone.

import { QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { render } from '@testing-library/react'
import type { ReactNode } from 'react'
import { vi } from 'vitest'
import { createQueryClient } from '@/api/queries'
import { Confirm } from '@/components/confirm'
import { Toasts } from '@/components/toasts'
import { TooltipProvider } from '@/components/tooltip'

/** One request of the page, as the fake API sees it. */
export interface Asked {
  operation: string
  variables: Record<string, unknown>
}

/** What the fake API answers to an operation: its data, or errors. */
export type Answers = Record<string, (variables: Record<string, unknown>) => unknown>

/** Answers each operation by its name; returns what was asked so far. An unknown operation is an error. */
export function fakeApi(answers: Answers): Asked[] {
  const asked: Asked[] = []
  vi.stubGlobal('fetch', async (_url: string, init: RequestInit) => {
    const { query, variables } = JSON.parse(String(init.body)) as { query: string; variables: Asked['variables'] }
    const operation = /(?:query|mutation)\s+(\w+)/.exec(query)?.[1] ?? ''
    asked.push({ operation, variables })
    const answer = answers[operation]
    if (!answer) return Response.json({ errors: [{ message: `the fake API knows no ${operation}` }] })
    return Response.json({ data: answer(variables) })
  })
  return asked
}

/** Draws `content` as a page at `path`. */
export async function renderPage(content: ReactNode, path = '/') {
  const root = createRootRoute()
  const page = createRoute({ getParentRoute: () => root, path: '$', component: () => content })
  const router = createRouter({
    routeTree: root.addChildren([page]),
    history: createMemoryHistory({ initialEntries: [path] }),
  })
  await router.load()
  return render(
    <QueryClientProvider client={createQueryClient()}>
      <TooltipProvider>
        <Toasts>
          <Confirm>
            <RouterProvider router={router as never} />
          </Confirm>
        </Toasts>
      </TooltipProvider>
    </QueryClientProvider>,
  )
}
