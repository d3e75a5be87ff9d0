"""kubectl by tasks: one command for each, in the namespace `my-namespace`.

Pods carry the label `app` with the name of their deployment, as `kubectl create deployment` sets it.
"""

get_app1_pods = "kubectl get pods -l app=app1 -n my-namespace"
get_app1_pods_in_all_namespaces = "kubectl get pods -l app=app1 --all-namespaces"
get_app3_deployment = "kubectl get deployment app3 -n my-namespace"
get_app2_logs = "kubectl logs -l app=app2 --tail=-1 -n my-namespace"
scale_app1_to_4 = "kubectl scale deployment app1 --replicas=4 -n my-namespace"
scale_app1_to_1 = "kubectl scale deployment app1 --replicas=1 -n my-namespace"
delete_app1_pods = "kubectl delete pods -l app=app1 -n my-namespace"
expose_app1 = "kubectl expose deployment app1 --port=33888 -n my-namespace"
