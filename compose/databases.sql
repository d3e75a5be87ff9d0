-- Read once, when the volume is empty. Each service has a role and a database, and sees no other's.
\getenv gateway_password GATEWAY_DB_PASSWORD
\getenv mlflow_password MLFLOW_DB_PASSWORD
CREATE ROLE gateway LOGIN PASSWORD :'gateway_password';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE DATABASE gateway OWNER gateway;
CREATE DATABASE mlflow OWNER mlflow;
REVOKE CONNECT ON DATABASE gateway, mlflow FROM PUBLIC;
