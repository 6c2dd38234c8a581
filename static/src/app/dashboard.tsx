import { type QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { reloadIfGone } from '@/api/chunks'
import { errorMessage } from '@/api/client'
import { useLazyPart } from '@/api/lazy-part'
import { useSession } from '@/api/session'
import { Confirm } from '@/components/confirm'
import { Toasts, useToast } from '@/components/toasts'
import { TooltipLayer } from '@/components/tooltip'
import type { createDashboardRouter } from './router'

const getSignIn = () => import('@/access/sign-in')

interface DashboardProps {
  queries: QueryClient
  router: ReturnType<typeof createDashboardRouter>
}

/** All pages, with the toasts, dialogs and tooltips that each of them uses, and the sign-in above them. */
export function Dashboard({ queries, router }: DashboardProps) {
  const { state, user } = useSession()
  return (
    <QueryClientProvider client={queries}>
      <Toasts key={user}>
        <Confirm>{state !== 'left' && <RouterProvider router={router} />}</Confirm>
        <SignInLayer />
      </Toasts>
      <TooltipLayer />
    </QueryClientProvider>
  )
}

/** The sign-in page arrives in advance: the node may be another version when the session ends. */
function SignInLayer() {
  const { state } = useSession()
  const toast = useToast()
  const SignIn = useLazyPart(getSignIn, state !== 'open', (error) => {
    if (!reloadIfGone(error)) toast({ kind: 'failed', message: errorMessage(error) })
  })
  return SignIn && <SignIn />
}
